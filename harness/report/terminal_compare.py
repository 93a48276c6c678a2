"""A comparison of two arms in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.report.comparing_text import MAIN, caption, cells
from harness.report.sides import KINDS
from harness.report.terminal_breakdown import difference_rows

if TYPE_CHECKING:
    from harness.report.comparing import Change, Comparison

LONGEST = 400
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class ComparisonView:
    """A comparison that rich can print.

    Attributes:
        comparison: What to show.
        everything: Whether to show every score.
        examples: At most this many examples of each kind of change.
    """

    comparison: Comparison
    everything: bool = False
    examples: int = 5

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        found = self.comparison
        yield Text(f"{found.dataset} · suite {found.suite} · {found.b} against {found.a}", style="bold")
        yield self._scores(wide=options.max_width >= 90)
        yield Text(caption(found), style="dim")
        yield from self._groups()
        if found.counted is not None:
            counts = {kind: found.count(kind) for kind in KINDS}
            yield Text(
                f"\n{found.counted}: of {found.a}'s, {counts['repaired']:,} are repaired (right now) and "
                f"{counts['no longer confident']:,} no longer confident (still wrong); of {found.b}'s, "
                f"{counts['broken']:,} are broken (right before) and {counts['newly confident']:,} newly confident "
                f"(wrong before)."
            )
            for kind in KINDS:
                chosen = [change for change in found.changes if change.change == kind][: self.examples]
                if chosen:
                    yield Text(f"\n{kind}", style="bold")
                for change in chosen:
                    yield from self._change(change)

    def _scores(self, *, wide: bool) -> Table:
        found = self.comparison
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
        table.add_column("score", no_wrap=True)
        for heading in (found.a, found.b, "\N{INCREMENT} [95 %]", "p", *(["detectable"] if wide else [])):
            table.add_column(heading, justify="right", no_wrap=True)
        for score in found.scores:
            if self.everything or score.name.startswith(MAIN):
                texts = cells(score)
                table.add_row(*(texts if wide else texts[:-1]), style="bold" if score.name == found.primary else "")
        return table

    def _groups(self) -> Iterator[RenderableType]:
        found = self.comparison
        wanted = [score.name for score in found.scores if score.name.startswith(("accuracy/clean", "uu_rate@"))]
        for grouping in dict.fromkeys(stratum.group for stratum in found.strata):
            strata = [stratum for stratum in found.strata if stratum.group == grouping]
            for name in wanted:
                rows = difference_rows(strata, found.b, found.a, name)
                if not rows:
                    continue
                table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
                table.add_column(f"{name} by {grouping}", overflow="fold")
                for heading in ("n", found.a, found.b, "\N{INCREMENT} [95 %]", "p"):
                    table.add_column(heading, justify="right", no_wrap=True)
                for row in rows:
                    table.add_row(*row)
                yield table

    def _change(self, change: Change) -> Iterator[RenderableType]:
        found = self.comparison
        yield Text(
            f"{printable(change.id)}, seed {change.seed}, {printable(change.label)}: "
            f"{found.a} {printable(change.predicted_a)} {100 * change.confidence_a:.0f} %, "
            f"{found.b} {printable(change.predicted_b)} {100 * change.confidence_b:.0f} %"
        )
        if text := printable(change.perturbed_a or change.perturbed_b or change.text):
            yield Padding(Text(text[:LONGEST] + ("…" if len(text) > LONGEST else ""), style="dim"), (0, 0, 0, 4))


def printable(text: str) -> str:
    """Text without control characters, on one line."""
    return "".join(character if character.isprintable() else " " for character in text)
