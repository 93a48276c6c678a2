"""What earlier records say about the chance in a comparison with the baseline: pilots for the size of a run to come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.derive import primary_score
from harness.report.groups import Group, groups
from harness.report.panel import Panel, score_info
from harness.statistics.power import Components, components

if TYPE_CHECKING:
    from harness.records.model import RecordFolder


@dataclass(frozen=True)
class Pilot:
    """The comparison of one arm with the baseline in earlier records.

    Attributes:
        suite: Name of its suite.
        dataset: Name of its data set.
        arm: The arm.
        score: The primary score of its board.
        examples: Number of independent test examples that the score is over.
        seeds: Number of seeds that both arms have.
        components: Variances of the difference, as a share of the test examples where the score is a count.
    """

    suite: str
    dataset: str
    arm: str
    score: str
    examples: int
    seeds: int
    components: Components


def pilots(records: Iterable[RecordFolder]) -> list[Pilot]:
    """Every arm of every board, compared with its baseline by the board's primary score."""
    return [pilot for group in groups(list(records)) for pilot in _of(group)]


def _of(group: Group) -> Iterator[Pilot]:
    import numpy as np

    score, panel, header = primary_score(group), Panel(group), group.header
    if score is None or group.baseline not in group.members:
        return
    total = score_info(group, score).total
    for arm in group.arms:
        both = set(panel.seeds(group.baseline, score)) & set(panel.seeds(arm, score))
        seeds = sorted(both)
        drawn = panel.drawn(arm, score, seeds), panel.drawn(group.baseline, score, seeds)
        if arm == group.baseline or not seeds or drawn[0] is None or drawn[1] is None:
            continue
        sample = panel.samples.get((arm, seeds[0], score))
        examples = panel.clusters if sample is None else sample.independent
        size = examples if total else 1
        values = np.subtract(panel.values(arm, score, seeds), panel.values(group.baseline, score, seeds)) / size
        rows = min(map(len, (drawn[0], drawn[1])))
        found = components(values, (drawn[0][:rows] - drawn[1][:rows]) / size, examples)
        yield Pilot(header.suite, header.dataset, arm, score, examples, len(seeds), found)


def largest(found: Iterable[Pilot]) -> Components | None:
    """The largest of each variance over pilots, so that the least favourable arm is planned for; ``None`` without any.

    What seeds share and add is taken from the pilots that have several; it stays ``nan`` where none has.
    """
    parts = [pilot.components for pilot in found]
    if not parts:
        return None
    example = max(part.example for part in parts)
    several = [part for part in parts if not math.isnan(part.seed)]
    if not several:
        return Components(example, math.nan, math.nan)
    share = max(part.common / part.example if part.example else 0.0 for part in several)
    return Components(example, share * example, max(part.seed for part in several))
