"""Value the training set, original or extended, by what it does for the validation set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.frozen import frozen
from harness.border.valuator import data_values
from harness.components.model import Model
from harness.components.valuator import ValuationProblem, Valuator
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings, Values
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData, SyntheticData
from harness.stages.contents.trajectory import TracedTraining
from harness.stages.parts.sources import sources
from harness.store.payload import labels_of


@dataclass(frozen=True, eq=False)
class Value(Stage[Values]):
    """``(n_train [+ n_synthetic],)`` data values, original examples first.

    The last three fields are there for methods that need them, and ``model`` is what the classifier is of.
    """

    kind: ClassVar[str] = "value"
    gives: ClassVar = Values

    load: Stage[LoadedData]
    train: Stage[Embeddings]
    validation: Stage[Embeddings]
    valuator: Configured[Valuator]
    seed: int
    extend: Stage[SyntheticData] | None = None
    synthetic: Stage[Embeddings] | None = None
    model: Configured[Model] | None = None
    classifier: Stage[TrainedClassifier] | None = None
    trajectory: Stage[TracedTraining] | None = None

    def options(self) -> dict[str, Any]:
        return {"valuator": self.valuator.identity, "seed": self.seed}

    def compute(self, inputs: Inputs, context: Context) -> Values:
        import numpy as np

        data = inputs[self.load]
        x, train = inputs[self.train].rows, list(data.train)
        if self.extend is not None and self.synthetic is not None:
            x = np.concatenate([x, inputs[self.synthetic].rows.reshape(-1, x.shape[1])])
            train += inputs[self.extend].examples("synthetic")
        problem = ValuationProblem(
            x,
            labels_of(train),
            inputs[self.validation].rows,
            labels_of(data.validation),
            data.task.num_labels,
            sources(inputs, context, train, data.validation, self.model, self.classifier, self.trajectory),
        )
        with calling(self.valuator.entry):
            values = self.valuator.component.value(frozen(problem), seed=self.seed)
        return Values(data_values(self.valuator.entry, values, len(train)))
