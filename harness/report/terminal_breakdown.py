"""Figures by group in the terminal, and as a table of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from harness.report.breakdown import LABEL, breakdown, confusions, main_scores
from harness.report.columns import heading_of, interval_bounds, number, p_text
from harness.report.model import Stratum

if TYPE_CHECKING:
    import pandas as pd

    from harness.report.groups import Group

MOST_GROUPS, MOST_CONFUSIONS = 30, 10
"""Groups and confusions shown in the terminal."""


@dataclass(frozen=True)
class BreakdownView:
    """The figures of a board by group, as rich can print them.

    Attributes:
        group: The records of the board.
        by: The grouping.
        scores: Names of scores; the main ones if empty.
    """

    group: Group
    by: str
    scores: tuple[str, ...] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        header = self.group.header
        names = list(self.scores) or main_scores(self.group)[:3]
        strata = breakdown(self.group, self.by, names)
        yield Text(f"{header.dataset} · suite {header.suite} · by {self.by}", style="bold")
        yield self._table(strata, names)
        if len(strata) > MOST_GROUPS:
            yield Text(f"The {MOST_GROUPS} largest of {len(strata)} groups; -f csv has all.", style="dim")
        yield Text(
            "Per cent, with 95 % intervals. * differs from the baseline's beyond chance (Holm over groups and arms). Of many "
            "groups the worst one looks worse than it is: chance took part in choosing it.",
            style="dim",
        )
        if self.by == LABEL:
            yield from self._confusions()

    def _table(self, strata: Sequence[Stratum], names: Sequence[str]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
        table.add_column(self.by, overflow="fold", max_width=24)
        table.add_column("n", justify="right")
        table.add_column("arm", overflow="fold", max_width=16)
        for name in names:
            table.add_column(heading_of(name), justify="right", no_wrap=True)
        for stratum in sorted(strata, key=lambda one: -one.n)[:MOST_GROUPS]:
            for i, arm in enumerate(stratum.scores):
                cells = [_cell(stratum, arm, name) for name in names]
                table.add_row(*((stratum.value, f"{stratum.n:,}") if i == 0 else ("", "")), arm, *cells)
        return table

    def _confusions(self) -> RenderResult:
        for arm in self.group.arms:
            found = {pair: count for pair, count in confusions(self.group, arm).items() if pair[0] != pair[1]}
            often = sorted(found, key=lambda pair: (-found[pair], pair))[:MOST_CONFUSIONS]
            text = "; ".join(f"{a} for {b} {number(found[b, a], total=True)}" for b, a in often) or "none"
            yield Text(f"{arm}, what it takes for what on clean text: {text}.", style="dim")


def _cell(stratum: Stratum, arm: str, name: str) -> str:
    figure = stratum.scores[arm].get(name)
    if figure is None:
        return ""
    apart = stratum.differences.get(arm, {}).get(name)
    star = "*" if apart is not None and apart.p_holm is not None and apart.p_holm < 0.05 else ""
    bounds = interval_bounds(figure.low, figure.high, share=True, total=False)
    return f"{number(figure.value, share=True)}{star} {bounds}".rstrip()


def to_pandas(group: Group, by: str) -> pd.DataFrame:
    """The figures by group as data, a line per group, arm and score.

    Columns: ``suite, board, dataset, group, value, n, arm, score, figure, low, high, std, difference, difference_low,
    difference_high, p, p_holm``; shares in [0, 1].
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    header = group.header
    for stratum in breakdown(group, by, None if by != LABEL else main_scores(group)):
        for arm, scores in stratum.scores.items():
            for name, figure in scores.items():
                apart = stratum.differences.get(arm, {}).get(name)
                rows.append(
                    {
                        "suite": header.suite,
                        "board": header.board,
                        "dataset": header.dataset,
                        "group": by,
                        "value": stratum.value,
                        "n": stratum.n,
                        "arm": arm,
                        "score": name,
                        "figure": figure.value,
                        "low": figure.low,
                        "high": figure.high,
                        "std": figure.std,
                        "difference": None if apart is None else apart.value,
                        "difference_low": None if apart is None else apart.low,
                        "difference_high": None if apart is None else apart.high,
                        "p": None if apart is None else apart.p,
                        "p_holm": None if apart is None else apart.p_holm,
                    }
                )
    return pd.DataFrame(rows)


def difference_rows(strata: Sequence[Stratum], arm: str, reference: str, name: str) -> list[tuple[str, ...]]:
    """Rows of a table that compares two arms by group: group, n, both figures, difference with interval, adjusted p."""
    rows: list[tuple[str, ...]] = []
    for stratum in strata:
        a, b = (stratum.scores.get(one, {}).get(name) for one in (reference, arm))
        apart = stratum.differences.get(arm, {}).get(name)
        if a is None or b is None or apart is None:
            continue
        bounds = interval_bounds(apart.low, apart.high, share=True, total=False)
        rows.append(
            (
                stratum.value,
                f"{stratum.n:,}",
                number(a.value, share=True),
                number(b.value, share=True),
                f"{number(apart.value, share=True, sign=True)} {bounds}".rstrip(),
                p_text(apart.p_holm),
            )
        )
    return rows
