"""The order in which training examples are attacked, as a selector gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.frozen import frozen
from harness.border.selector import distinct_indices
from harness.components.selector import SelectionProblem, Selector
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings, Places, Probabilities, Values
from harness.stages.contents.data import LoadedData


@dataclass(frozen=True)
class Knowledge:
    """The stages whose contents a selector chooses by."""

    load: Stage[LoadedData]
    values: Stage[Values] | None
    embeddings: Stage[Embeddings] | None
    predictions: Stage[Probabilities] | None

    def problem(self, inputs: Inputs) -> SelectionProblem:
        """What a selector is given."""
        embeddings, predictions = inputs.get(self.embeddings), inputs.get(self.predictions)
        values = inputs.get(self.values)
        return frozen(
            SelectionProblem(
                inputs[self.load].train,
                embeddings=None if embeddings is None else embeddings.rows,
                probs=None if predictions is None else predictions.probs,
                values=None if values is None else values.values,
            )
        )


@dataclass(frozen=True, eq=False)
class Select(Stage[Places]):
    """Distinct places in the training set, the first to be attacked first."""

    kind: ClassVar[str] = "select"
    gives: ClassVar = Places

    load: Stage[LoadedData]
    selector: Configured[Selector]
    seed: int
    values: Stage[Values] | None = None
    embeddings: Stage[Embeddings] | None = None
    predictions: Stage[Probabilities] | None = None

    @property
    def is_part(self) -> bool:
        return True

    def options(self) -> dict[str, Any]:
        return {"selector": self.selector.identity, "seed": self.seed}

    def compute(self, inputs: Inputs, context: Context) -> Places:
        problem = Knowledge(self.load, self.values, self.embeddings, self.predictions).problem(inputs)
        with calling(self.selector.entry):
            order = self.selector.component.order(problem, seed=self.seed)
        return Places(distinct_indices(self.selector.entry, order, len(problem.train)).astype("int64"))
