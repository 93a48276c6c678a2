"""EL2N scores (Paul et al. 2021, NeurIPS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.components import ValuationProblem
from harness_valuators.network import Hardness, errors

if TYPE_CHECKING:
    from harness.types import FloatArray


class El2n(Hardness):
    """Length of the error, the probabilities less the label, early in training (Paul et al. 2021). Cost: O(N * K)."""

    api_version: ClassVar[int] = 1

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 lengths in ``[0, sqrt(2)]``, negative where `easy` points are preferred; nothing is random."""
        import numpy as np

        wrong = errors(self.early(problem.trajectory)[0], problem.y_train)
        return self.signed(np.linalg.norm(wrong, axis=1))
