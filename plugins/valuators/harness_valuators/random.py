"""Values drawn at random: what any valuator has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.components import ValuationProblem, Valuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class RandomValues(Valuator):
    """Values drawn uniformly from [0, 1): the control group. Cost: O(N)."""

    api_version: ClassVar[int] = 1

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64, uniform in ``[0, 1)``; the data do not matter, only their number."""
        import numpy as np

        return np.random.default_rng(seed).random(problem.n_train)
