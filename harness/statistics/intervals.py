"""Estimates with their error: rates, means, and everything else that was resampled, over one seed or several.

Examples are one source of chance, seeds (splits, initialisation, order of batches) are another. The error of a figure over
one seed is that of its cluster bootstrap. Over several seeds the figure is the mean over seeds, and the error has two levels
(variance components of a two-way random-effects layout, estimated by moments)::

    error² = shared + max(between, own - shared) / S

``own`` is the bootstrap variance of one seed's figure, ``shared`` the bootstrap covariance of two seeds' figures (they are
tested on the same examples), ``between`` the variance of the S figures. With few seeds the normal quantile is too small;
Student's is taken, with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946). The percentiles of a plain
two-level bootstrap of two or three seeds would promise far more than they keep; ``docs/statistics.md`` has the figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.types import FloatArray

LEVEL = 0.95
"""Confidence level of every interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; ``nan`` at both ends where there is none."""

    low: float
    high: float

    def clip(self, low: float | None, high: float | None) -> Interval:
        """The part of it inside the figure's range."""
        bottom = -math.inf if low is None else low
        top = math.inf if high is None else high
        return self if math.isnan(self.low) else Interval(max(self.low, bottom), min(self.high, top))

    def scale(self, factor: float) -> Interval:
        """Both ends times a positive factor."""
        return Interval(self.low * factor, self.high * factor)


NOWHERE = Interval(math.nan, math.nan)
"""The interval of a figure that has none."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its uncertainty.

    Attributes:
        value: The figure: the mean over seeds.
        error: Standard error; ``nan`` where it cannot be told (a single example, a figure without resamples).
        freedom: Degrees of freedom of the error.
    """

    value: float
    error: float
    freedom: float

    def interval(self, level: float = LEVEL) -> Interval:
        """The symmetric interval by Student's t."""
        from scipy import stats

        if not (math.isfinite(self.error) and self.freedom > 0):
            return NOWHERE
        reach = float(stats.t.ppf(0.5 + level / 2, self.freedom)) * self.error
        return Interval(self.value - reach, self.value + reach)

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p-value of the hypothesis that the true figure is ``null``; consistent with :meth:`interval`."""
        from scipy import stats

        if self.value == null:
            return 1.0
        if not (math.isfinite(self.error) and self.error > 0 and self.freedom > 0):
            return math.nan
        return float(2 * stats.t.sf(abs(self.value - null) / self.error, self.freedom))

    def detectable(self, *, alpha: float = 1 - LEVEL, power: float = 0.8) -> float:
        """The smallest true difference from zero that a test with this error would find with probability ``power``.

        Bloom's multiple of the standard error (Evaluation Review 19, 1995); ``nan`` without an error.
        """
        from scipy import stats

        if not (math.isfinite(self.error) and self.error > 0 and self.freedom > 0):
            return math.nan
        return float(stats.t.ppf(1 - alpha / 2, self.freedom) + stats.t.ppf(power, self.freedom)) * self.error


def estimate(values: FloatArray, replicates: FloatArray | None, clusters: int) -> Estimate:
    """A figure over one or several seeds, with its error.

    Args:
        values: ``(S,)`` the figure under every seed.
        replicates: ``(B, S)`` the same on bootstrap resamples of the examples, a row being one resample for all seeds;
            ``None`` where the figure was not resampled: then only the seeds can tell its error.
        clusters: Number of independent test examples.

    Returns:
        The mean over seeds, with an error of one or two levels as described above.
    """
    import numpy as np

    seeds = len(values)
    value = float(np.mean(values))
    between = float(np.var(values, ddof=1)) if seeds > 1 else 0.0
    if replicates is None:
        error = math.sqrt(between / seeds) if seeds > 1 else math.nan
        return Estimate(value, error, seeds - 1)
    usable = replicates[np.isfinite(replicates).all(axis=1)]
    if clusters < 2 or len(usable) < 2:
        return Estimate(value, math.nan, 0)
    covariance = np.cov(usable, rowvar=False).reshape(seeds, seeds)
    if seeds == 1:
        return Estimate(value, math.sqrt(covariance[0, 0]), clusters - 1)
    own = float(np.trace(covariance)) / seeds
    shared = max(0.0, (float(covariance.sum()) - own * seeds) / (seeds * (seeds - 1)))
    variance = shared + max(between, own - shared) / seeds
    freedom = float(clusters - 1)
    if between > own - shared and variance > 0:
        freedom = variance**2 / ((between / seeds) ** 2 / (seeds - 1) + shared**2 / (clusters - 1))
    return Estimate(value, math.sqrt(variance), freedom)


def wilson(successes: float, trials: float, level: float = LEVEL) -> Interval:
    """Wilson's score interval of a rate.

    >>> interval = wilson(0, 100)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.0, 0.037)
    """
    from statsmodels.stats.proportion import proportion_confint

    if trials <= 0:
        return NOWHERE
    low, high = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    return Interval(float(low), float(high))


def rate_interval(rate: Estimate, trials: float, level: float = LEVEL) -> Interval:
    """Wilson's interval of a rate whose trials are not all independent (repeated texts, several seeds).

    The number of trials is replaced by the one that independent trials would need for the same error, and made smaller yet
    where the error itself is uncertain (Korn and Graubard, Survey Methodology 24, 1998).

    Args:
        rate: The rate in [0, 1] with its error.
        trials: Number of independent examples, which counts when the rate is exactly 0 or 1 and has no error.
        level: Confidence level.
    """
    from scipy import stats

    spread = rate.value * (1 - rate.value)
    if spread <= 0:
        return wilson(rate.value * trials, trials, level)
    if not (math.isfinite(rate.error) and rate.error > 0 and rate.freedom > 0):
        return NOWHERE
    quantile = 0.5 + level / 2
    shrink = (float(stats.norm.ppf(quantile)) / float(stats.t.ppf(quantile, rate.freedom))) ** 2
    effective = spread / rate.error**2 * shrink
    return wilson(rate.value * effective, effective, level)
