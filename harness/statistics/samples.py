"""Figures that are a mean or a sum over test examples, resampled all at once.

A resample is a vector of cluster weights, so the figures of every arm, seed and score on it are one matrix product. Six arms
of 25,000 examples, three seeds and fifty scores take seconds, and all of them see the same resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.statistics.intervals import NOWHERE, Estimate, Interval, estimate, rate_interval, wilson
from harness.statistics.resampling import resample_weights

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray

RESAMPLES = 1000
"""Number of bootstrap resamples: the error of an interval's width is then about 2 %."""

SEED = 0
"""Seed of the resamples, the same everywhere, so that everything is paired with everything."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The contributions of the test examples to one figure of one arm under one seed.

    Attributes:
        contributions: ``(n,)`` float; ``nan`` for examples that do not count.
        clusters: ``(n,)`` number of the cluster of every example, in ``0..G-1`` of all clusters in play.
        total: Whether the figure is their sum, not their mean.
    """

    contributions: FloatArray
    clusters: IntArray
    total: bool = False

    @property
    def value(self) -> float:
        """The figure; ``nan`` when no example counts."""
        import numpy as np

        counted = self.contributions[~np.isnan(self.contributions)]
        if self.total:
            return float(counted.sum())
        return float(counted.mean()) if len(counted) else math.nan

    @property
    def size(self) -> int:
        """Number of examples that it is about."""
        import numpy as np

        return int((~np.isnan(self.contributions)).sum())

    @property
    def is_rate(self) -> bool:
        """Whether every contribution is 0 or 1, so that the figure is a rate or a count."""
        import numpy as np

        counted = self.contributions[~np.isnan(self.contributions)]
        return len(counted) > 0 and bool(np.isin(counted, (0.0, 1.0)).all())

    @property
    def independent(self) -> int:
        """Number of clusters that count."""
        import numpy as np

        return len(np.unique(self.clusters[~np.isnan(self.contributions)]))


def replicate(samples: Sequence[Sample], clusters: int, *, count: int = RESAMPLES, seed: int = SEED) -> FloatArray:
    """The figures of many samples on the same bootstrap resamples.

    Args:
        samples: One per column.
        clusters: Number of clusters in play.
        count: Number of resamples.
        seed: Decides the draws.

    Returns:
        ``(count, len(samples))``; ``nan`` where a resample holds no example that counts.
    """
    import numpy as np

    sums = np.zeros((clusters, len(samples)))
    denominators: dict[bytes, int] = {}
    sizes: list[FloatArray] = []
    pick = np.zeros(len(samples), dtype=np.int64)
    scale = np.ones(len(samples))
    for column, sample in enumerate(samples):
        counted = ~np.isnan(sample.contributions)
        filled = np.where(counted, sample.contributions, 0.0)
        sums[:, column] = np.bincount(sample.clusters, weights=filled, minlength=clusters)
        if sample.total:
            scale[column] = counted.sum()
        key = sample.clusters.tobytes() + counted.tobytes()
        if key not in denominators:
            denominators[key] = len(sizes)
            sizes.append(np.bincount(sample.clusters, weights=counted, minlength=clusters).astype(np.float64))
        pick[column] = denominators[key]
    size = np.column_stack(sizes) if sizes else np.zeros((clusters, 0))
    parts: list[FloatArray] = []
    with np.errstate(invalid="ignore", divide="ignore"):
        parts.extend(
            (weights @ sums) * scale / (weights @ size)[:, pick]
            for weights in resample_weights(clusters, count=count, seed=seed)
        )
    return np.concatenate(parts) if parts else np.zeros((0, len(samples)))


def figure(samples: Sequence[Sample], replicates: FloatArray) -> tuple[Estimate, Interval]:
    """A decomposing figure over its seeds: the estimate, and Wilson's interval for a rate, Student's otherwise.

    Args:
        samples: One per seed.
        replicates: ``(B, S)`` from :func:`replicate`.
    """
    import numpy as np

    independent = min(sample.independent for sample in samples)
    found = estimate(np.asarray([sample.value for sample in samples]), replicates, independent)
    if not math.isfinite(found.value):
        return found, NOWHERE
    if not all(sample.is_rate for sample in samples):
        return found, found.interval()
    sizes = [sample.size for sample in samples]
    factor = float(np.mean(sizes)) if samples[0].total else 1.0
    if len(samples) == 1 and independent == sizes[0]:
        return found, wilson(found.value / factor * independent, independent).scale(factor)
    rate = replace(found, value=found.value / factor, examples=found.examples / factor, seeds=found.seeds / factor)
    return found, rate_interval(rate, independent).scale(factor)
