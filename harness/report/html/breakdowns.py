"""Figures by group of test examples on the page: by the data set's own columns and by class, and which classes are confused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.breakdown import LABEL, breakdown, confusions, groupings, main_scores
from harness.report.columns import interval_bounds, number
from harness.report.groups import Group
from harness.report.html.sections import Section
from harness.report.html.table import heading
from harness.report.model import Stratum

MOST_GROUPS, MOST_PAIRS = 100, 40
"""Groups of a table, and pairs of classes, at most."""


@dataclass(frozen=True)
class PlainTable:
    """A table of texts.

    Attributes:
        title: What it shows.
        caption: How to read it.
        headers: Headings.
        rows: Cells.
        numeric: Whether each column holds figures.
    """

    title: str
    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]


def breakdowns(section: Section) -> list[PlainTable]:
    """The tables of a section."""
    group = Group([member.record for member in section.records.values()])
    found = [_groups(group, by) for by in groupings(group)]
    return [*(table for table in found if table is not None), _confusions(group)]


def _groups(group: Group, by: str) -> PlainTable | None:
    names = main_scores(group)
    strata = breakdown(group, by, names) if names else ()
    if len(strata) < 2:
        return None
    shown = sorted(strata, key=lambda one: -one.n)[:MOST_GROUPS]
    rows = [
        [stratum.value, f"{stratum.n:,}", arm, *(_cell(stratum, arm, name) for name in names)]
        for stratum in shown
        for arm in group.arms
    ]
    rest = f" The {MOST_GROUPS} largest of {len(strata):,}." if len(strata) > len(shown) else ""
    return PlainTable(
        "By class" if by == LABEL else f"By {by}",
        "Per cent of the group, with 95 % intervals; * differs from the baseline's beyond chance (Holm over groups and arms). "
        f"Of many groups the worst one looks worse than it is, because chance took part in choosing it.{rest}",
        ["class" if by == LABEL else by, "examples", "arm", *map(heading, names)],
        rows,
        [False, True, False, *([True] * len(names))],
    )


def _cell(stratum: Stratum, arm: str, name: str) -> str:
    figure = stratum.scores[arm].get(name)
    if figure is None:
        return "–"
    apart = stratum.differences.get(arm, {}).get(name)
    star = "*" if apart is not None and apart.p_holm is not None and apart.p_holm < 0.05 else ""
    bounds = interval_bounds(figure.low, figure.high, share=True, total=False)
    return f"{number(figure.value, share=True)}{star} {bounds}".rstrip()


def _confusions(group: Group) -> PlainTable:
    counts = {arm: confusions(group, arm) for arm in group.arms}
    pairs = {pair for found in counts.values() for pair in found}
    few = len(group.header.data.labels) <= 6
    wanted = [pair for pair in pairs if few or pair[0] != pair[1]]
    wanted.sort(key=lambda pair: (-max(found.get(pair, 0.0) for found in counts.values()), pair))
    rest = f" The {MOST_PAIRS} most frequent of {len(wanted):,} pairs." if len(wanted) > MOST_PAIRS else ""
    return PlainTable(
        "Confusion of classes",
        "How many clean test examples of a class are predicted to be of another"
        + (" (or rightly of the same)" if few else "")
        + f", mean over seeds.{rest}",
        ["true class", "predicted", *group.arms],
        [
            [true, predicted, *(number(found.get((true, predicted), 0.0), total=True) for found in counts.values())]
            for true, predicted in wanted[:MOST_PAIRS]
        ],
        [False, False, *([True] * len(group.arms))],
    )
