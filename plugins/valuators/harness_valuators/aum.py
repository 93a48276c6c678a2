"""Area under the margin (Pleiss et al. 2020, NeurIPS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.components import ValuationProblem
from harness_valuators.network import Recording, true_class

if TYPE_CHECKING:
    from harness.types import FloatArray


class Aum(Recording):
    """Margin of each point's label over the best other class, averaged over epochs (Pleiss et al. 2020). Cost: O(E * N * K).

    As in the paper the logits are those of training itself, with dropout, unless another time is `recorded`.
    """

    api_version: ClassVar[int] = 1

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 margins in logits (eq. 1 and 2); nothing is random."""
        import numpy as np

        y = problem.y_train
        logits = self.seen(problem.trajectory)[0].astype(np.float64)
        own = true_class(logits, y).copy()
        logits[:, np.arange(len(y)), y] = -np.inf
        margins: FloatArray = (own - logits.max(axis=2)).mean(axis=0)
        return margins
