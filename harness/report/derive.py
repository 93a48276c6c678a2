"""Derivation of the leaderboard from records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from harness.components.score_name import ScoreName
from harness.records.model import Record, RecordFolder
from harness.report.baselines import Baselines, add_reported
from harness.report.groups import Group, Member, groups
from harness.report.model import Board, Overall, Row, ScoreInfo
from harness.report.notes import notes
from harness.report.overall import overall
from harness.report.panel import Panel, difference, score_info
from harness.statistics.comparison import ALPHA, Contrast, holm, shared_ranks
from harness.unknowns import CLEAN, DEPLOYED

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


def board(panel: Panel) -> Board:
    """One board from the figures of the records of one suite, board and data set."""
    group = panel.group
    header = group.header
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


def derive(
    records: Sequence[RecordFolder], baselines: Sequence[Baselines]
) -> tuple[tuple[Board, ...], tuple[Overall, ...]]:
    """Boards of records, with reported rows, and summaries over data sets; see :meth:`harness.report.Leaderboard.build`."""
    measured = [(board(panel), panel) for panel in map(Panel, groups(records))]
    return tuple(add_reported([one for one, _ in measured], baselines)), overall(measured)
