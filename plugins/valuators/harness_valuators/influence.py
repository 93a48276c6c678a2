"""Influence functions (Koh and Liang 2017, ICML), in closed form for the logistic predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.components import ValuationProblem
from harness_valuators.options import UtilityValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class Influence(UtilityValuator):
    """First-order effect of a point's weight on the utility (Koh and Liang 2017). Cost: O(N * d) per iteration of a solve.

    The derivative of the utility by the point's weight in the loss, at weight 1: what :class:`LeaveOneOut` computes, to
    first order and for all points at once. Utilities with steps (accuracy, blind-spot) are smoothed.
    """

    api_version: ClassVar[int] = 1

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 values in units of the utility; nothing is random."""
        import torch

        from harness_valuators.logistic import Logistic, prepare
        from harness_valuators.slopes import pull, slope
        from harness_valuators.utility import Utility

        data = prepare(problem, device=self.resolve(), dtype=torch.float64)
        utility = Utility(self.utility, data.y_valid, self.threshold)
        model = Logistic.of(data, self.l2)
        theta = model.fit()
        weights = data.x.new_ones(problem.n_train)
        pulls = pull(model, utility, theta, data.x_valid) / len(data.y_valid)
        return slope(model, theta, weights, pulls, data.x_valid, iterations=200).cpu().numpy()
