"""Train the classifier again on a random subset of the training set, and keep what it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.components.model import Model
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Answers
from harness.stages.contents.data import LoadedData
from harness.stages.parts.training import answers


@dataclass(frozen=True, eq=False)
class Retrain(Stage[Answers]):
    """What a classifier says of test and validation points that was trained on a part of the training set, and is not kept."""

    kind: ClassVar[str] = "retrain"
    gives: ClassVar = Answers

    data: Stage[LoadedData]
    model: Configured[Model]
    fraction: float
    subset: int
    """Seed of the subset (:func:`harness.valuation.datamodel.subset_rows`)."""
    seed: int

    @property
    def memory(self) -> int:
        return self.model.component.memory(training=True)

    def options(self) -> dict[str, Any]:
        return {"model": self.model.identity, "fraction": self.fraction, "subset": self.subset, "seed": self.seed}

    def compute(self, inputs: Inputs, context: Context) -> Answers:
        from harness.valuation.datamodel import subset_rows

        data = inputs[self.data]
        return answers(data, subset_rows(len(data.train), self.fraction, self.subset), self.model, self.seed, context)
