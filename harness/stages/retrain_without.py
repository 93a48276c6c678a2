"""Train the classifier again without the training points that have the highest, or the lowest, data values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.components.model import Model
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Answers
from harness.stages.contents.data import LoadedData
from harness.stages.contents.valuation import ValuationFindings
from harness.stages.parts.training import answers
from harness.valuation.network import End, kept_rows


@dataclass(frozen=True, eq=False)
class RetrainWithout(Stage[Answers]):
    """What a classifier says of test and validation points that was trained on the rest, and is not kept."""

    kind: ClassVar[str] = "retrain-without"
    gives: ClassVar = Answers

    data: Stage[LoadedData]
    assessed: Stage[ValuationFindings]
    model: Configured[Model]
    end: End
    share: float
    """Of the training set that is left out."""
    seed: int

    @property
    def memory(self) -> int:
        return self.model.component.memory(training=True)

    def options(self) -> dict[str, Any]:
        return {"model": self.model.identity, "end": self.end, "share": self.share, "seed": self.seed}

    def compute(self, inputs: Inputs, context: Context) -> Answers:
        kept = kept_rows(inputs[self.assessed].values, self.share, self.end)
        return answers(inputs[self.data], kept, self.model, self.seed, context)
