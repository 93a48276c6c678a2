"""The base of the valuators that train predictors on random subsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.options import UtilityValuator

if TYPE_CHECKING:
    from harness_valuators.subsets import SubsetUtility


class SubsetValuator(UtilityValuator):
    """A valuator that trains predictors on random subsets."""

    predictor_steps: int = Field(default=12, ge=1)
    """Preconditioned steps that train a subset's predictor, from the solution for all points."""

    batch_size: int = Field(default=128, ge=1)
    """Predictors trained at once."""

    def game(self, problem: ValuationProblem) -> SubsetUtility:
        """The utility of subsets, as the options have it."""
        from harness_valuators.subsets import SubsetUtility

        return SubsetUtility(
            problem,
            utility=self.utility,
            threshold=self.threshold,
            l2=self.l2,
            steps=self.predictor_steps,
            batch=self.batch_size,
            device=self.resolve(),
        )
