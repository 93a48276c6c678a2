"""What valuation methods are given beyond features and labels, read when they ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.border.frozen import frozen
from harness.border.model import loaded
from harness.components.valuator import Sources

if TYPE_CHECKING:
    from harness.components.example import Example
    from harness.components.model import Model
    from harness.stages.base import Configured, Context, Inputs, Stage
    from harness.stages.contents.classifier import TrainedClassifier
    from harness.stages.contents.trajectory import TracedTraining


def sources(
    inputs: Inputs,
    context: Context,
    train: Sequence[Example],
    validation: Sequence[Example],
    model: Configured[Model] | None,
    classifier: Stage[TrainedClassifier] | None,
    trajectory: Stage[TracedTraining] | None,
) -> Sources:
    """Where a valuation problem finds them.

    Args:
        inputs: The stage's.
        context: The stage's.
        train: The training examples, in the order of the features.
        validation: The validation examples.
        model: What the classifier is of.
        classifier: The stage that fine-tunes, if the method needs what it gives.
        trajectory: The stage that looks on, if the method needs what it sees.
    """
    given = (tuple(train), tuple(validation))
    return Sources(
        lambda: given,
        None if classifier is None or model is None else lambda: loaded(inputs[classifier], model, context),
        None if trajectory is None else lambda: frozen(inputs[trajectory].trajectory),
    )
