"""Fine-tune the pre-trained model on the original training set, or on an extended one, with or without weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.frozen import frozen
from harness.border.model import classifier
from harness.components.model import Model
from harness.components.order import EpochOrder, First
from harness.errors import HarnessError
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Values
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData, SyntheticData
from harness.stages.contents.trajectory import TracedTraining
from harness.types import FloatArray, Normalisation


@dataclass(frozen=True, eq=False)
class FineTune(Stage[TrainedClassifier]):
    """A classifier.

    With ``values`` its loss is weighted by them (WLDV, thesis eq. 3.8); with ``order_values`` its batches come in the order of
    these: ``first`` ones first, shuffled inside of ``blocks`` blocks. ``within`` is the same training, of which somebody wants
    to see more: it gives the same bits, and is not made twice.
    """

    kind: ClassVar[str] = "fine-tune"
    gives: ClassVar = TrainedClassifier
    instead: ClassVar[frozenset[str]] = frozenset({"within"})

    load: Stage[LoadedData]
    model: Configured[Model]
    seed: int
    extend: Stage[SyntheticData] | None = None
    values: Stage[Values] | None = None
    normalisation: Normalisation = "none"
    order_values: Stage[Values] | None = None
    first: First = "high"
    blocks: int = 1
    within: Stage[TracedTraining] | None = None

    @property
    def memory(self) -> int:
        return self.model.component.memory(training=True)

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"model": self.model.identity, "seed": self.seed}
        if self.values is not None:
            options["normalisation"] = self.normalisation
        if self.order_values is not None:
            options |= {"first": self.first, "blocks": self.blocks}
        return options

    def compute(self, inputs: Inputs, context: Context) -> TrainedClassifier:
        import numpy as np

        if (traced := inputs.get(self.within)) is not None and traced.classifier is not None:
            context.facts["classes"] = traced.said
            return traced.classifier
        data, extension, values = inputs[self.load], inputs.get(self.extend), inputs.get(self.values)
        train = [*data.train, *(extension.examples() if extension is not None else ())]
        # The order in which examples are seen is drawn from the seed, synthetic among original (protocol, step 6).
        order = np.random.default_rng(self.seed).permutation(len(train))
        weights = None if values is None else loss_weights(values.values, self.normalisation)[order]
        in_order = None
        if (ordering := inputs.get(self.order_values)) is not None:
            in_order = EpochOrder.by_value(ordering.values[order], self.first, self.blocks)
        with calling(self.model.entry):
            found = self.model.component.fine_tune_resumable(
                tuple(train[int(i)] for i in order),
                num_labels=data.task.num_labels,
                seed=self.seed,
                weights=frozen(weights),
                order=in_order,
                unfinished=context.unfinished,
                labels=data.task.labels,
            )
        made = classifier(self.model.entry, found)
        context.facts["classes"] = made.said
        return TrainedClassifier(made)


def loss_weights(values: FloatArray, normalisation: Normalisation) -> FloatArray:
    """Data values as factors of the loss: never negative, and of mean 1 if so asked.

    Values of methods that know harmful points (Shapley values) are negative for them; a negative factor would make the
    loss unbounded below, so such points get no weight.

    Raises:
        HarnessError: No training point has a positive value.
    """
    import numpy as np

    weights = np.clip(np.asarray(values, dtype=np.float64), 0.0, None)
    if not weights.any():
        raise HarnessError(
            "No training example has a positive data value, so there is nothing left to weight the loss by.",
            hint="Use another valuator for `weights`, or more iterations of this one.",
        )
    if normalisation == "mean":
        weights = weights / weights.mean()
    return weights.astype(np.float32)
