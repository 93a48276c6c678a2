"""Arms over all data sets of a suite: mean differences to the baseline, and ranks with intervals.

Every data set counts once. The primary score is averaged in points (per cent of the test examples where it is a count), and
two arms are compared by the mean over data sets of their paired differences, whose errors add up because data sets are
independent. A rank's interval follows from these comparisons (Holm over all pairs): an arm is at best one place behind all that
are better beyond chance, and at worst one before all that are worse; all intervals hold together with 95 %.

These are statements about the data sets of the suite. Other data sets would differ from them as these differ from one another;
the signed-rank test of Wilcoxon over data sets speaks of that (Demšar 2006), and needs six of them.

*Failed cells*: an arm that was not measured on every data set, or stands apart on one of them by a flag, has no rank, and
nothing is put in its place.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.report.model import Board, Overall, OverallRow
from harness.report.panel import Panel
from harness.statistics.comparison import ALPHA, holm
from harness.statistics.intervals import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

FEWEST = 6
"""Data sets from which on the signed-rank test can come out below .05 at all."""


def pooled(parts: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates; degrees of freedom by Welch and Satterthwaite."""
    count = len(parts)
    examples, by_example = _joined([(part.examples / count, part.examples_freedom) for part in parts])
    seeds, by_seed = _joined([(part.seeds / count, part.seeds_freedom) for part in parts])
    return Estimate(sum(part.value for part in parts) / count, examples, seeds, by_example, by_seed)


def _joined(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The error of a sum of independent parts, and its degrees of freedom."""
    variance = sum(error**2 for error, _ in parts)
    scatter = sum(error**4 / freedom for error, freedom in parts)
    return math.sqrt(variance), variance**2 / scatter if scatter > 0 else math.inf


def overall(boards: Iterable[tuple[Board, Panel]]) -> tuple[Overall, ...]:
    """One summary for each suite whose arms were measured on several data sets by the same primary score."""
    found: dict[tuple[str, str, str], list[tuple[Board, Panel]]] = {}
    for board, panel in boards:
        if board.primary is not None and board.scores[board.primary].better is not None:
            found.setdefault((board.suite, board.primary, board.baseline), []).append((board, panel))
    made = (_summary(*key, members) for key, members in found.items() if len({b.dataset for b, _ in members}) > 1)
    return tuple(one for one in made if one is not None)


def _summary(suite: str, score: str, baseline: str, members: Sequence[tuple[Board, Panel]]) -> Overall | None:
    datasets = [board.dataset for board, _ in members]
    if len(set(datasets)) < len(datasets):
        return None  # two boards of one data set: records that are not comparable
    rows = {board.dataset: {row.arm: row for row in board.measured} for board, _ in members}
    arms = list(dict.fromkeys(arm for found in rows.values() for arm in found))
    everywhere = [arm for arm in arms if all(_value(found.get(arm), score) is not None for found in rows.values())]
    fair = [arm for arm in everywhere if not any(found[arm].flags for found in rows.values())]

    info = members[0][0].scores[score]
    lower, unit = info.better == "lower", {b.dataset: b.test or 1 if info.total else 1 for b, _ in members}

    def difference(a: str, b: str) -> tuple[Estimate, list[float]] | None:
        parts = []
        for board, panel in members:
            found = panel.contrast(a, b, score, exact=False)
            if found is None:
                return None
            size = unit[board.dataset]
            error = found.estimate
            parts.append(
                Estimate(
                    error.value / size,
                    error.examples / size,
                    error.seeds / size,
                    error.examples_freedom,
                    error.seeds_freedom,
                )
            )
        return pooled(parts), [part.value for part in parts]

    pairs = {(a, b): difference(a, b) for a, b in itertools.combinations(fair, 2)}
    p = holm({pair: math.nan if found is None else found[0].p_value() for pair, found in pairs.items()})
    means = {
        arm: sum((_value(found[arm], score) or 0.0) / unit[name] for name, found in rows.items()) / len(rows)
        for arm in everywhere
    }
    made = []
    for arm in arms:
        to_baseline = (
            None if arm == baseline or arm not in means or baseline not in means else difference(arm, baseline)
        )
        made.append(
            OverallRow(
                arm=arm,
                datasets=sum(_value(found.get(arm), score) is not None for found in rows.values()),
                value=means.get(arm),
                rank=_rank_interval(arm, fair, means, p, lower=lower) if arm in fair else None,
                flags={name: found[arm].flags for name, found in rows.items() if arm in found and found[arm].flags},
                **_difference(to_baseline),
            )
        )
    made.sort(key=lambda row: (row.rank is None, row.value is None, (row.value or 0.0) * (1 if lower else -1), row.arm))
    return Overall(
        suite=suite, score=score, better=info.better, baseline=baseline, datasets=tuple(datasets), rows=tuple(made)
    )


def _value(row: object, score: str) -> float | None:
    figure = getattr(row, "scores", {}).get(score)
    return None if figure is None else figure.value


def _difference(found: tuple[Estimate, list[float]] | None) -> dict[str, float | None]:
    if found is None:
        return {}
    from scipy import stats

    error, values = found
    interval, p = error.interval(), error.p_value()
    many = len(values) >= FEWEST and any(values)
    return {
        "difference": error.value,
        "low": None if math.isnan(interval.low) else interval.low,
        "high": None if math.isnan(interval.high) else interval.high,
        "p": None if math.isnan(p) else p,
        "p_datasets": float(stats.wilcoxon(values).pvalue) if many else None,
    }


def _rank_interval(
    arm: str, fair: Sequence[str], means: Mapping[str, float], p: Mapping[tuple[str, str], float], *, lower: bool
) -> tuple[int, int]:
    better = worse = 0
    for other in fair:
        if other == arm:
            continue
        apart = p[(arm, other) if (arm, other) in p else (other, arm)] < ALPHA
        ahead = means[other] < means[arm] if lower else means[other] > means[arm]
        better += apart and ahead
        worse += apart and not ahead
    return 1 + better, len(fair) - worse
