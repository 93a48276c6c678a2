"""Paired comparisons of two arms, corrections for many of them, and the ranks that follow."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from harness.statistics.intervals import Estimate, estimate
from harness.statistics.samples import Sample

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray

Key = TypeVar("Key", bound=Hashable)

Test: TypeAlias = Literal["exact McNemar", "paired bootstrap t", "two-level t"]
"""Where a p-value comes from."""

ALPHA = 0.05
"""Two arms are told apart where the p-value is below this."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """A paired difference ``a - b``.

    Attributes:
        estimate: The difference, its error over examples (and seeds).
        p: Two-sided p-value; ``nan`` where nothing can be tested.
        test: Where ``p`` comes from.
    """

    estimate: Estimate
    p: float
    test: Test


def contrast(
    a: Sequence[float],
    b: Sequence[float],
    replicates_a: FloatArray | None,
    replicates_b: FloatArray | None,
    clusters: int,
) -> Contrast:
    """The difference of a figure between two arms, seed by seed on the same examples.

    Args:
        a: ``(S,)`` the figure of the first arm under every seed.
        b: The same of the second arm, under the same seeds.
        replicates_a: ``(B, S)`` the first arm on bootstrap resamples; ``None`` where the figure was not resampled.
        replicates_b: The second arm on the same resamples.
        clusters: Number of independent test examples.
    """
    import numpy as np

    drawn = None if replicates_a is None or replicates_b is None else replicates_a - replicates_b
    found = estimate(np.asarray(a, dtype=float) - np.asarray(b, dtype=float), drawn, clusters)
    return Contrast(found, found.p_value(), "two-level t" if len(a) > 1 else "paired bootstrap t")


def mcnemar_p(a: Sample, b: Sample) -> float:
    """p-value of the exact McNemar test on two samples of zeros and ones over the same examples.

    Of examples that share a text only the first is counted: the test is for independent pairs.
    """
    import numpy as np

    _, first = np.unique(a.clusters, return_index=True)
    return mcnemar_exact(a.contributions[first] == 1, b.contributions[first] == 1)


def mcnemar_exact(a: BoolArray, b: BoolArray) -> float:
    """p-value of the exact McNemar test: do two indicators on the same examples have the same rate?

    Args:
        a: ``(n,)`` bool.
        b: ``(n,)`` bool, of the same examples.
    """
    import numpy as np
    from statsmodels.stats.contingency_tables import mcnemar

    table = [[int(np.sum(a & b)), int(np.sum(a & ~b))], [int(np.sum(~a & b)), int(np.sum(~a & ~b))]]
    if table[0][1] + table[1][0] == 0:
        return 1.0  # no example differs; statsmodels would take the median of a binomial of nothing
    return float(min(1.0, mcnemar(table, exact=True).pvalue))


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """p-values adjusted by Holm's step-down method; ``nan`` is left out of the family and stays ``nan``."""
    from statsmodels.stats.multitest import multipletests

    tested = {key: p for key, p in p_values.items() if not math.isnan(p)}
    adjusted = dict(p_values)
    if tested:
        corrected = multipletests(list(tested.values()), method="holm")[1]
        adjusted.update(zip(tested, map(float, corrected), strict=True))
    return adjusted


def shared_ranks(
    values: Mapping[str, float], p_values: Mapping[tuple[str, str], float], *, lower: bool
) -> dict[str, int]:
    """Ranks of arms, where arms that cannot be told apart share one.

    An arm's rank is one more than the number of arms that are better than it beyond chance, and never smaller than that of an
    arm with a better figure: an arm of which little is known would else stand first for that reason alone.

    Args:
        values: The figure of every arm.
        p_values: The p-value of every unordered pair, adjusted for their number; ``nan`` counts as not told apart.
        lower: Whether lower is better.
    """

    def beaten(arm: str, by: str) -> bool:
        p = p_values[(arm, by)] if (arm, by) in p_values else p_values[(by, arm)]
        better = values[by] < values[arm] if lower else values[by] > values[arm]
        return better and p < ALPHA

    ranks, behind = {}, 1
    for arm in sorted(values, key=lambda one: values[one] if lower else -values[one]):
        behind = max(behind, 1 + sum(beaten(arm, other) for other in values if other != arm))
        ranks[arm] = behind
    return {arm: min(ranks[other] for other in values if values[other] == values[arm]) for arm in values}
