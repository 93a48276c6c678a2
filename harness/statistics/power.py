"""What a comparison of two arms can show with N test examples and S seeds, before it is made.

The difference of a figure between two arms that are trained S times and tested on N examples has two sources of chance
(:mod:`harness.statistics.intervals`): examples, whose part shrinks with N, and seeds, whose part shrinks with S only. Given
their sizes, the boards that could be seen are drawn at random and tested as a board tests them, so that what is promised is
what the test keeps, few seeds' wide quantiles included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics.intervals import LEVEL, likeness

if TYPE_CHECKING:
    from harness.types import FloatArray

POWER = 0.8
"""Probability with which a true difference is to be found, unless asked otherwise."""

DRAWS = 4000
"""Simulated boards: a probability is then known to about .006."""

MOST_EXAMPLES = 10_000_000
"""No more test examples are looked for."""


@dataclass(frozen=True)
class Components:
    """Variances of the paired difference of a mean over test examples between two arms.

    Attributes:
        example: What one test example adds to the difference under one seed: N times the variance over examples.
        common: The part of it that is the same under every seed, in ``[0, example]``.
        seed: Variance between seeds beyond what examples explain.
    """

    example: float
    common: float
    seed: float

    def boards(self, examples: int, seeds: int, *, alpha: float, draws: int = DRAWS) -> tuple[FloatArray, FloatArray]:
        """Simulated boards: ``(draws,)`` errors of the difference, and the size from which on each board's test sees it.

        Args:
            examples: N, at least 2.
            seeds: S, at least 1. One seed tests two networks, not methods: ``seed`` is then no error.
            alpha: Two-sided level of the test.
            draws: Number of boards.
        """
        import numpy as np
        from scipy import stats

        quantile = 1 - alpha / 2
        by_example = float(stats.t.ppf(quantile, examples - 1))
        rng = np.random.default_rng(0)
        shared, alone = self.common / examples, (self.example - self.common) / examples
        common = math.sqrt(shared) * rng.standard_normal(draws)
        own = math.sqrt(alone + (self.seed if seeds > 1 else 0.0)) * rng.standard_normal((draws, seeds))
        errors = common + own.mean(axis=1)
        if seeds == 1:
            return errors, np.full(draws, by_example * math.sqrt(shared + alone))
        between = own.var(axis=1, ddof=1)
        by_seed = float(stats.t.ppf(quantile, seeds - 1))
        alike = by_example * math.sqrt(shared + alone / seeds)
        apart = np.sqrt(by_example**2 * shared + by_seed**2 * between / seeds)
        return errors, np.where(between <= alone * likeness(seeds), alike, apart)

    def detectable(self, examples: int, seeds: int, *, power: float = POWER, alpha: float = 1 - LEVEL) -> float:
        """The smallest true difference that is found with probability ``power`` (.5 to 1); see :meth:`boards`."""
        import numpy as np

        errors, reach = self.boards(examples, seeds, alpha=alpha)
        return float(np.quantile(reach - errors, power))

    def examples_for(
        self, difference: float, seeds: int, *, power: float = POWER, alpha: float = 1 - LEVEL
    ) -> int | None:
        """The smallest N that shows a difference with S seeds, to two digits; ``None`` where no number of examples does."""
        if self.detectable(MOST_EXAMPLES, seeds, power=power, alpha=alpha) > difference:
            return None
        low, high = 2, MOST_EXAMPLES
        while high - low > max(1, 0.01 * low):
            middle = round(math.sqrt(low * high))
            if middle in (low, high):
                break
            if self.detectable(middle, seeds, power=power, alpha=alpha) > difference:
                low = middle
            else:
                high = middle
        unit = int(10 ** max(0, len(str(high)) - 2))
        return unit * math.ceil(high / unit)


def components(values: FloatArray, replicates: FloatArray, examples: int) -> Components:
    """Variances as a finished comparison shows them.

    Args:
        values: ``(S,)`` the difference under every seed.
        replicates: ``(B, S)`` the same on bootstrap resamples of the examples.
        examples: N, the number of independent examples.

    Returns:
        With one seed, what seeds share and add is unknown: ``common`` and ``seed`` are ``nan``.
    """
    import numpy as np

    seeds = len(values)
    covariance = np.cov(replicates[np.isfinite(replicates).all(axis=1)], rowvar=False).reshape(seeds, seeds)
    own = float(np.trace(covariance)) / seeds
    if seeds == 1:
        return Components(own * examples, math.nan, math.nan)
    shared = (float(covariance.sum()) - own * seeds) / (seeds * (seeds - 1))
    shared = min(max(shared, 0.0), own)
    between = float(np.var(values, ddof=1))
    return Components(own * examples, shared * examples, max(0.0, between - (own - shared)))
