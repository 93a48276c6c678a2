"""Beta Shapley (Kwon and Zou 2022, AISTATS): semivalues that look at small sets more than at large ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness_valuators.data_shapley import PermutationValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class BetaShapley(PermutationValuator):
    """Beta(α, β) semivalues from permutations (Kwon and Zou 2022). Cost: O(permutations * N * n_valid * d).

    A point's gain when it joins a set of j - 1 others counts with the probability of j - 1 under a beta-binomial
    distribution. Beta(1, 1) is the Shapley value; a larger α prefers small sets, where a point's own quality shows.
    """

    api_version: ClassVar[int] = 1

    alpha: float = Field(default=4.0, gt=0.0)
    """α; the paper recommends 4 or 16 with β = 1 for finding noisy labels."""

    beta: float = Field(default=1.0, gt=0.0)
    """β."""

    def _weights(self, n: int) -> FloatArray:
        import numpy as np
        from scipy.special import betaln, gammaln

        before = np.arange(n)
        choose = gammaln(n) - gammaln(before + 1) - gammaln(n - before)
        # B(j + β - 1, n - j + α) of the paper, with j = before + 1; times n because permutations reach each position alike
        weights: FloatArray = n * np.exp(
            choose + betaln(before + self.beta, n - 1 - before + self.alpha) - betaln(self.alpha, self.beta)
        )
        # Positions in the far tail cost as much as the others and add nothing.
        tail = np.cumsum(weights[::-1])[::-1] / n
        return weights[: int((tail > 1e-3).sum())]
