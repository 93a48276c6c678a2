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

    predictor_tolerance: float = Field(default=1e-3, gt=0.0, lt=1.0)
    """When a subset's predictor is trained: the share that is left of its way from the solution for all points to its own.
    The utilities then have about this error, relative to their differences."""

    predictor_steps: int = Field(default=200, ge=1)
    """Largest number of iterations that train it, whatever error that leaves; a few are enough."""

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
            tolerance=self.predictor_tolerance,
            limit=self.predictor_steps,
            batch=self.batch_size,
            device=self.resolve(),
        )
