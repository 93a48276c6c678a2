"""A comparison of two arms in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from harness.report.columns import interval_bounds, is_share, number, p_text

if TYPE_CHECKING:
    from harness.report.comparing import Change, Comparison, ScoreComparison

MAIN = ("accuracy/", "confidence/clean", "confidence_std/clean", "uu@", "ece/clean", "matched_uu@")
"""Scores that are shown unless all are asked for: those that start so."""


@dataclass(frozen=True)
class ComparisonView:
    """A comparison that rich can print.

    Attributes:
        comparison: What to show.
        everything: Whether to show every score.
        examples: At most this many repaired and broken examples each.
    """

    comparison: Comparison
    everything: bool = False
    examples: int = 5

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        found = self.comparison
        yield Text(f"{found.dataset} · suite {found.suite} · {found.b} against {found.a}", style="bold")
        yield self._scores()
        seeds = ", ".join(map(str, found.seeds))
        yield Text(
            f"Paired on the same test examples, seed{'s' if len(found.seeds) > 1 else ''} {seeds}; differences with 95 % "
            f"intervals. p of {found.primary or 'the primary score'} as it is, of the others adjusted by Holm.",
            style="dim",
        )
        if found.primary is not None:
            repaired, broken = found.count("repaired"), found.count("broken")
            yield Text(f"\n{found.primary}: {repaired:,} examples repaired, {broken:,} broken.")
            for kind in ("repaired", "broken"):
                chosen = [change for change in found.changes if change.change == kind][: self.examples]
                if chosen:
                    yield self._changes(kind, chosen)

    def _scores(self) -> Table:
        found = self.comparison
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
        table.add_column("score", no_wrap=True)
        for heading in (found.a, found.b, "difference", "95 % interval", "p", "detectable"):
            table.add_column(heading, justify="right", no_wrap=True)
        for score in found.scores:
            if self.everything or score.name.startswith(MAIN):
                table.add_row(*_cells(score), style="bold" if score.name == found.primary else "")
        return table

    def _changes(self, kind: Literal["repaired", "broken"], changes: Sequence[Change]) -> Table:
        found = self.comparison
        table = Table(
            box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="", title=kind, title_justify="left"
        )
        for heading in ("id", "seed", "label", found.a, found.b):
            table.add_column(heading, no_wrap=True)
        table.add_column("text", ratio=1, overflow="ellipsis", no_wrap=True)
        for change in changes:
            table.add_row(
                printable(change.id),
                str(change.seed),
                printable(change.label),
                f"{printable(change.predicted_a)} {100 * change.confidence_a:.0f} %",
                f"{printable(change.predicted_b)} {100 * change.confidence_b:.0f} %",
                Text(printable(change.perturbed_a or change.perturbed_b or change.text)),
            )
        return table


def _cells(score: ScoreComparison) -> list[str]:
    share, total = is_share(score.info, score.name), score.info.total
    difference = score.difference
    return [
        score.name,
        *(number(figure.value, share=share, total=total) for figure in (score.a, score.b)),
        number(difference.value, share=share, total=total, sign=True),
        interval_bounds(difference.low, difference.high, share=share, total=total),
        p_text(difference.p_holm),
        number(difference.detectable, share=share, total=total),
    ]


def printable(text: str) -> str:
    """Text without control characters, on one line."""
    return "".join(character if character.isprintable() else " " for character in text)
