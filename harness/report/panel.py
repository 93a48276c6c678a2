"""The figures of the records of a board, and their paired differences, all from the same resamples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.report.groups import Group
from harness.report.model import Difference, Figure, ScoreInfo
from harness.statistics.comparison import Contrast, contrast, mcnemar_p
from harness.statistics.intervals import estimate
from harness.statistics.samples import figure, replicate

if TYPE_CHECKING:
    from harness.types import FloatArray


class Panel:
    """The figures of a group of records, with the resamples that all of them share."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.samples = group.samples()
        self.clusters = len(group.cluster_names)
        keys = list(self.samples)
        drawn = replicate(list(self.samples.values()), self.clusters)
        self._drawn: dict[tuple[str, int, str], FloatArray] = {key: drawn[:, i] for i, key in enumerate(keys)}
        for arm, seeds in group.members.items():
            for seed, member in seeds.items():
                for name, column in member.replicates.items():
                    if len(column):
                        self._drawn.setdefault((arm, seed, name), column)

    def seeds(self, arm: str, score: str) -> list[int]:
        """Seeds under which a score of an arm is defined."""
        return [seed for seed, member in sorted(self.group.members[arm].items()) if member.value(score) is not None]

    def values(self, arm: str, score: str, seeds: Sequence[int]) -> list[float]:
        """The score under each seed."""
        return [float(self.group.members[arm][seed].value(score) or 0.0) for seed in seeds]

    def drawn(self, arm: str, score: str, seeds: Sequence[int]) -> FloatArray | None:
        """``(B, S)`` resampled values; ``None`` where a seed has none."""
        import numpy as np

        columns = [self._drawn[arm, seed, score] for seed in seeds if (arm, seed, score) in self._drawn]
        if len(columns) < len(seeds):
            return None
        shortest = min(len(column) for column in columns)
        return np.column_stack([column[:shortest] for column in columns])

    def figure(self, arm: str, score: str, info: ScoreInfo) -> Figure:
        """An arm's score over its seeds."""
        import numpy as np

        seeds = self.seeds(arm, score)
        if not seeds:
            return Figure(value=None, seeds=0)
        values = self.values(arm, score, seeds)
        drawn = self.drawn(arm, score, seeds)
        samples = [self.samples[arm, seed, score] for seed in seeds if (arm, seed, score) in self.samples]
        if drawn is not None and len(samples) == len(seeds):
            _, interval = figure(samples, drawn)
        else:
            interval = estimate(np.asarray(values), drawn, self.clusters).interval()
        interval = interval.clip(info.low, info.high)
        return Figure(
            value=float(np.mean(values)),
            low=_number(interval.low),
            high=_number(interval.high),
            std=float(np.std(values, ddof=1)) if len(seeds) > 1 else None,
            seeds=len(seeds),
        )

    def contrast(self, a: str, b: str, score: str, *, exact: bool) -> Contrast | None:
        """The paired difference ``a - b`` of a score over the seeds they share; ``None`` if they share none.

        Args:
            a: An arm.
            b: The arm to compare with.
            score: Name of the score.
            exact: Whether to take the p-value from the exact McNemar test where one seed is all there is.
        """
        theirs = set(self.seeds(b, score))
        seeds = [seed for seed in self.seeds(a, score) if seed in theirs]
        if not seeds:
            return None
        drawn = self.drawn(a, score, seeds), self.drawn(b, score, seeds)
        if drawn[0] is not None and drawn[1] is not None:
            common = min(map(len, (drawn[0], drawn[1])))  # a record may keep fewer of the same resamples
            drawn = drawn[0][:common], drawn[1][:common]
        found = contrast(self.values(a, score, seeds), self.values(b, score, seeds), *drawn, self.clusters)
        pair = [self.samples.get((arm, seeds[0], score)) for arm in (a, b)]
        first, second = pair
        if exact and len(seeds) == 1 and first is not None and second is not None and first.is_rate and second.is_rate:
            return Contrast(found.estimate, mcnemar_p(first, second), "exact McNemar")
        return found


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def difference(found: Contrast, info: ScoreInfo, adjusted: float | None = None) -> Difference:
    """A contrast as the leaderboard keeps it, inside the range of differences of its score."""
    error = found.estimate
    interval, detectable = error.interval(), _number(error.detectable())
    if info.span is not None:
        interval = interval.clip(-info.span, info.span)
        detectable = None if detectable is None else min(detectable, info.span)
    return Difference(
        value=error.value,
        low=_number(interval.low),
        high=_number(interval.high),
        p=_number(found.p),
        p_holm=None if adjusted is None else _number(adjusted),
        test=found.test,
        detectable=detectable,
    )


def score_info(group: Group, name: str) -> ScoreInfo:
    """How to read a score, from the first record that has it; its range holds the figures of all records."""
    members = (member for seeds in group.members.values() for member in seeds.values())
    found = [member.scores[name] for member in members if name in member.scores]
    if not found:
        raise KeyError(name)
    lows, highs = [score.low for score in found], [score.high for score in found]
    return ScoreInfo(
        better=found[0].better,
        low=min((low for low in lows if low is not None), default=None) if None not in lows else None,
        high=max((high for high in highs if high is not None), default=None) if None not in highs else None,
        total=found[0].total,
        metric=found[0].metric,
        meaning=found[0].meaning,
    )
