"""What the stages share that train a classifier on a part of the training set and keep only what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.border.calls import calling
from harness.border.model import classifier, probabilities
from harness.stages.contents.arrays import Answers

if TYPE_CHECKING:
    from harness.components.model import Model
    from harness.stages.base import Configured, Context
    from harness.stages.contents.data import LoadedData
    from harness.types import IntArray


def answers(data: LoadedData, rows: IntArray, model: Configured[Model], seed: int, context: Context) -> Answers:
    """What a classifier says of test and validation points that was trained on some rows of the training set.

    Args:
        data: The data.
        rows: ``(k,)`` rows of the training set, ascending.
        model: What is fine-tuned.
        seed: Decides the order of the examples and what is random in training.
        context: Where training leaves off and goes on.
    """
    import numpy as np

    order = np.random.default_rng(seed).permutation(rows)
    with calling(model.entry):
        trained = model.component.fine_tune_resumable(
            tuple(data.train[int(i)] for i in order),
            num_labels=data.task.num_labels,
            seed=seed,
            unfinished=context.unfinished,
            labels=data.task.labels,
        )
    made = classifier(model.entry, trained)
    found = {}
    for split, examples in (("test", data.test), ("validation", data.validation)):
        with calling(model.entry):
            probs = made.predict_proba([example.texts for example in examples])
        found[split] = probabilities(model.entry, probs, f"{split} examples", examples, made.num_labels)
    return Answers(**found)
