"""Estimates with their error: rates, means, and everything else that was resampled, over one seed or several.

Examples are one source of chance, seeds (splits, initialisation, order of batches) are another. The error of a figure over
one seed is that of its cluster bootstrap. Over several seeds the figure is the mean over seeds, and the error has two levels
(variance components of a two-way random-effects layout, estimated by moments)::

    error² = shared + max(between, own - shared) / S

``own`` is the bootstrap variance of one seed's figure, ``shared`` the bootstrap covariance of two seeds' figures (they are
tested on the same examples), ``between`` the variance of the S figures. ``between`` is known from few seeds only, so its part
counts by Student's quantile with S - 1 degrees of freedom, as in the confidence limits of Graybill and Wang (JASA 75, 1980):
reach² = t² · error² summed over the two parts. Seeds that spread no more than examples alone explain are taken not to differ.
Of two seeds this is hardly ever believed: with one degree of freedom, seeds that differ a lot are that close too often. The
percentiles of a plain two-level bootstrap of two or three seeds would promise far more than they keep;
``docs/statistics.md`` has the figures.
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
        examples: Standard error that comes from the choice of examples; ``nan`` where it cannot be told (a single example, a
            figure without resamples).
        seeds: Standard error that comes from the choice of seeds, beyond that.
        examples_freedom: Degrees of freedom of ``examples``: independent examples less one.
        seeds_freedom: Degrees of freedom of ``seeds``: seeds less one.
    """

    value: float
    examples: float
    seeds: float = 0.0
    examples_freedom: float = math.inf
    seeds_freedom: float = 1.0

    @property
    def error(self) -> float:
        """Standard error."""
        return math.hypot(self.examples, self.seeds)

    @property
    def known(self) -> bool:
        """Whether there is an error to speak of."""
        return math.isfinite(self.error) and self.error > 0

    def reach(self, quantile: float) -> float:
        """How far from the true figure this one lies at that quantile of their difference (0.5 to 1)."""
        from scipy import stats

        parts = [float(stats.t.ppf(quantile, self.examples_freedom)) * self.examples]
        if self.seeds > 0:
            parts.append(float(stats.t.ppf(quantile, self.seeds_freedom)) * self.seeds)
        return math.hypot(*parts)

    def interval(self, level: float = LEVEL) -> Interval:
        """The symmetric interval."""
        if not self.known:
            return NOWHERE
        reach = self.reach(0.5 + level / 2)
        return Interval(self.value - reach, self.value + reach)

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p-value of the hypothesis that the true figure is ``null``; consistent with :meth:`interval`."""
        from scipy import optimize, stats

        distance = abs(self.value - null)
        if distance == 0:
            return 1.0
        if not self.known:
            return math.nan
        if self.seeds == 0:
            return float(2 * stats.t.sf(distance / self.examples, self.examples_freedom))
        smallest = 1e-12  # beyond it quantiles are not exact any more
        if self.reach(1 - smallest / 2) <= distance:
            return smallest
        return float(optimize.brentq(lambda p: self.reach(1 - p / 2) - distance, smallest, 1.0, xtol=1e-13))

    def detectable(self, *, alpha: float = 1 - LEVEL, power: float = 0.8) -> float:
        """The smallest true difference from zero that a test with this error would find with probability ``power``.

        Bloom's multiple of the standard error (Evaluation Review 19, 1995); ``nan`` without an error.
        """
        return self.reach(1 - alpha / 2) + self.reach(power) if self.known else math.nan


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
        if seeds == 1:
            return Estimate(value, math.nan)
        return Estimate(value, 0.0, math.sqrt(between / seeds), seeds_freedom=seeds - 1)
    usable = replicates[np.isfinite(replicates).all(axis=1)]
    if clusters < 2 or len(usable) < 2:
        return Estimate(value, math.nan)
    covariance = np.cov(usable, rowvar=False).reshape(seeds, seeds)
    freedom = clusters - 1
    if seeds == 1:
        return Estimate(value, math.sqrt(covariance[0, 0]), examples_freedom=freedom)
    own = float(np.trace(covariance)) / seeds
    shared = max(0.0, (float(covariance.sum()) - own * seeds) / (seeds * (seeds - 1)))
    alone = max(0.0, own - shared)
    if between <= alone * likeness(seeds):
        return Estimate(value, math.sqrt(shared + alone / seeds), examples_freedom=freedom)
    return Estimate(value, math.sqrt(shared), math.sqrt(between / seeds), freedom, seeds - 1)


def likeness(seeds: int) -> float:
    """Seeds that spread no more than this share of what examples alone explain are taken not to differ.

    Two seeds are often alike by luck. For them it is the share at which both readings give the same interval, so that it is
    the seeds' interval, but never shorter than examples alone explain.
    """
    from scipy import stats

    if seeds > 2:
        return 1.0
    quantile = 0.5 + LEVEL / 2
    return float((stats.norm.ppf(quantile) / stats.t.ppf(quantile, 1)) ** 2)


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
    if not rate.known:
        return NOWHERE
    quantile = 0.5 + level / 2
    effective = spread / (rate.reach(quantile) / float(stats.norm.ppf(quantile))) ** 2
    return wilson(rate.value * effective, effective, level)
