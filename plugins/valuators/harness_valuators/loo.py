"""Leave-one-out: what the utility loses without the point."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.components import ValuationProblem
from harness_valuators.subset_valuator import SubsetValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class LeaveOneOut(SubsetValuator):
    """Utility of the whole set less that without the point. Cost: O(N^2 * d), the predictors trained together."""

    api_version: ClassVar[int] = 1

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 values in units of the utility; nothing is random."""
        import numpy as np

        game = self.game(problem)
        n = problem.n_train
        values = np.empty(n)
        for begin in range(0, n, 1024):  # the weights of all predictors at once would be N x N
            rows = np.arange(begin, min(begin + 1024, n))
            weights = np.ones((len(rows), n), dtype=bool)
            weights[np.arange(len(rows)), rows] = False
            values[rows] = game.whole - game(weights)
        return values
