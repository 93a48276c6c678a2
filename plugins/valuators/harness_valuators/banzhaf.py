"""Data Banzhaf by maximum sample reuse (Wang and Jia 2023, AISTATS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.subset_valuator import SubsetValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class Banzhaf(SubsetValuator):
    """Banzhaf values by maximum sample reuse (Wang and Jia 2023). Cost: O(samples * N * d).

    The mean utility of random subsets (each point in with probability 1/2) with the point less that of those without it.
    Every subset informs the value of every point. Two things take noise away and leave the expectation as it is: subsets
    come with their complements, and the first-order effect of the points (their influence on the predictor of the mean
    subset) is known, so only what it leaves unexplained is sampled.
    """

    api_version: ClassVar[int] = 1

    samples: int = Field(default=4000, ge=4)
    """Random subsets."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 values in units of the utility."""
        import numpy as np

        rng = np.random.default_rng(seed)
        half = rng.random((self.samples // 2, problem.n_train)) < 0.5
        subsets = np.concatenate([half, ~half])
        game = self.game(problem)
        utilities = game(subsets)
        linear = game.slope(0.5)
        expected = subsets @ linear - linear.sum() / 2
        spread = float(expected @ expected)
        share = float(utilities @ expected) / spread if spread > 0 else 0.0
        rest = utilities - share * expected
        count = subsets.sum(axis=0)
        inside = rest @ subsets
        outside = (rest.sum() - inside) / np.maximum(len(subsets) - count, 1)
        values: FloatArray = share * linear + inside / np.maximum(count, 1) - outside
        return values
