"""Derivation of the leaderboard from records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.components.score_name import ScoreName
from harness.records.model import Record, RecordFolder
from harness.report.baselines import Baselines, add_reported
from harness.report.groups import Group, Member, groups
from harness.report.model import Board, Difference, Figure, Row, ScoreInfo
from harness.report.notes import notes
from harness.statistics.comparison import ALPHA, Contrast, contrast, holm, mcnemar_p, shared_ranks
from harness.statistics.intervals import estimate
from harness.statistics.samples import figure, replicate
from harness.unknowns import CLEAN, DEPLOYED

if TYPE_CHECKING:
    from harness.types import FloatArray

LESS_CONFIDENT = "less confident"
"""Flag of an arm that lost confidence on clean text: where unknown unknowns rank, this alone makes for fewer (thesis 5.3.2)."""

LESS_ACCURATE = "less accurate"
"""Flag of an arm that lost more than :data:`MARGIN` of accuracy on clean text."""

ONE_CLASS = "one class"
"""Flag of an arm that gives nearly all examples one class: no attack fools it, because it does not look at the text."""

MARGIN = 0.01
"""Loss of clean accuracy (one point) that an arm has to exceed beyond chance to be flagged."""

NEARLY_ALL = 0.95
"""Share of the clean test examples from which on an arm is said to predict one class."""


def counted_score(header: Record) -> str | None:
    """Name of the count of unknown unknowns: in deployment at the first threshold; on clean text if nothing was attacked."""
    if not header.thresholds:
        return None
    names = (str(ScoreName.uu(header.thresholds[0], population)) for population in (DEPLOYED, CLEAN))
    return next((name for name in names if name in header.scores), None)


def primary_score(group: Group) -> str | None:
    """Name of the score that ranks: the suite's choice, or errors at matched coverage, or else unknown unknowns.

    ``None`` where no record has it; docs/statistics.md says why lower counts of unknown unknowns are not enough.
    """
    header = group.header
    if header.primary:
        return header.primary if header.primary in group.scores else None
    counted = counted_score(header)
    if counted is None:
        return None
    matched = str(ScoreName.matched_uu(header.thresholds[0], ScoreName.parse(counted).part))
    return matched if matched in group.scores else counted


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


def board(group: Group) -> Board:
    """One board from the records of one suite, board and data set."""
    header = group.header
    panel = Panel(group)
    infos = {name: score_info(group, name) for name in group.scores}
    primary = primary_score(group)
    baseline = group.baseline if group.baseline in group.members else None

    contrasts: dict[tuple[str, str], Contrast] = {}
    if baseline is not None:
        for arm, name in itertools.product((arm for arm in group.arms if arm != baseline), group.scores):
            found = panel.contrast(arm, baseline, name, exact=name == primary)
            if found is not None:
                contrasts[arm, name] = found
    adjusted = holm({key: found.p for key, found in contrasts.items() if key[1] == primary})
    adjusted |= holm({k: c.p for k, c in contrasts.items() if k[1] != primary and infos[k[1]].better is not None})

    figures = {arm: {name: panel.figure(arm, name, infos[name]) for name in group.scores} for arm in group.arms}
    flags = {arm: _flags(arm, group.members[arm].values(), primary, infos, contrasts) for arm in group.arms}
    ranks: dict[str, int] = {}
    lower = True
    if primary is not None and infos[primary].better is not None:
        lower = infos[primary].better == "lower"
        fair = {arm: figures[arm][primary].value for arm in group.arms if not flags[arm]}
        ranks = _ranks(panel, primary, {arm: value for arm, value in fair.items() if value is not None}, lower=lower)
    rows = []
    for arm in group.arms:
        seeds = group.members[arm]
        rows.append(
            Row(
                arm=arm,
                seeds=tuple(sorted(seeds)),
                rank=ranks.get(arm),
                flags=flags[arm],
                scores={name: found for name, found in figures[arm].items() if found.seeds},
                differences={
                    name: difference(found, infos[name], adjusted.get((arm, name)))
                    for (which, name), found in contrasts.items()
                    if which == arm
                },
                definition=next(iter(seeds.values())).header.arm_definition,
            )
        )
    rows.sort(key=lambda row: (row.rank is None, row.rank or 0, _worse_last(row, primary, lower=lower), row.arm))
    missing = [
        row.differences[primary].detectable for row in rows if primary in row.differences and primary is not None
    ]
    detectable = [value for value in missing if value is not None]
    return Board(
        suite=header.suite,
        board=header.board,
        dataset=header.dataset,
        baseline=group.baseline,
        thresholds=header.thresholds,
        labels=header.data.labels,
        train=header.data.train,
        validation=header.data.validation,
        test=header.data.test,
        fingerprints={
            seed: next(found[seed].header.data.fingerprint for found in group.members.values() if seed in found)
            for seed in group.seeds
        },
        primary=primary,
        counted=counted_score(header),
        detectable=max(detectable) if detectable else None,
        scores=infos,
        rows=tuple(rows),
        notes=tuple(notes(group, baseline, primary)),
    )


def score_info(group: Group, name: str) -> ScoreInfo:
    """How to read a score, from the first record that has it; its range holds the figures of all records."""
    members = (member for seeds in group.members.values() for member in seeds.values())
    found = [member.header.scores[name] for member in members if name in member.header.scores]
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


def _ranks(panel: Panel, primary: str, values: dict[str, float], *, lower: bool) -> dict[str, int]:
    pairs: dict[tuple[str, str], float] = {}
    for a, b in itertools.combinations(values, 2):
        found = panel.contrast(a, b, primary, exact=True)
        pairs[a, b] = math.nan if found is None else found.p
    return shared_ranks(values, holm(pairs), lower=lower)


def _flags(
    arm: str,
    members: Iterable[Member],
    primary: str | None,
    infos: Mapping[str, ScoreInfo],
    contrasts: Mapping[tuple[str, str], Contrast],
) -> tuple[str, ...]:
    """What speaks against an arm whose primary score is better than the baseline's."""
    found = contrasts.get((arm, primary or ""))
    if primary is None or found is None:
        return ()
    gain = found.estimate.value * (-1 if infos[primary].better == "lower" else 1)
    if infos[primary].better is None or gain <= 0:
        return ()
    flags = []
    if ScoreName.parse(primary).counts_uus and _dropped(contrasts.get((arm, "confidence/clean"))):
        flags.append(LESS_CONFIDENT)
    if _dropped(contrasts.get((arm, "accuracy/clean")), MARGIN):
        flags.append(LESS_ACCURATE)
    if any(map(_one_class, members)):
        flags.append(ONE_CLASS)
    return tuple(flags)


def _dropped(found: Contrast | None, margin: float = 0.0) -> bool:
    """Whether a score fell by more than a margin, beyond chance."""
    return found is not None and found.estimate.value < -margin and bool(found.estimate.p_value(-margin) < ALPHA)


def _one_class(member: Member) -> bool:
    """Whether nearly all clean test examples get the same class, and clearly fewer have it."""
    import numpy as np

    clean = member.populations[CLEAN]
    label = np.bincount(clean.predicted).argmax()
    share, true = float((clean.predicted == label).mean()), float((clean.labels == label).mean())
    return share >= NEARLY_ALL and share - true >= 1 - NEARLY_ALL


def _worse_last(row: Row, primary: str | None, *, lower: bool) -> float:
    found = row.scores.get(primary) if primary else None
    if found is None or found.value is None:
        return math.inf
    return found.value if lower else -found.value


def derive(records: Sequence[RecordFolder], baselines: Sequence[Baselines]) -> tuple[Board, ...]:
    """The boards of records, with reported rows; see :meth:`harness.report.Leaderboard.build`."""
    return tuple(add_reported([board(group) for group in groups(records)], baselines))
