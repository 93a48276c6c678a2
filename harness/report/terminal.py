"""The leaderboard in the terminal: one table per board, as many columns as fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.report import overall_text
from harness.report.columns import NEEDED, Column, best_rows, captions, chosen_columns, stacked, title

if TYPE_CHECKING:
    from harness.report.model import Board, Overall


@dataclass(frozen=True)
class Terminal:
    """Boards that rich can print.

    Attributes:
        boards: What to show.
        columns: Names of the columns; the usual ones if empty.
        intervals: Whether to print intervals below the figures.
        overall: Summaries over data sets, below the boards.
    """

    boards: Sequence[Board]
    columns: tuple[str, ...] = ()
    intervals: bool = False
    overall: Sequence[Overall] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for board in self.boards:
            columns = chosen_columns(board, self.columns)
            table, hidden = self._fit(board, columns, console, options)
            yield Text(title(board), style="bold")
            yield table
            if hidden:
                names = ", ".join(column.key for column in hidden)
                yield Text(f"Not shown for want of width: {names}.", style="dim")
            for line in captions(board):
                yield Text(line, style="dim")
            yield Text()
        for found in self.overall:
            yield Text(overall_text.title(found), style="bold")
            yield self._overall(found)
            yield from (Text(line, style="dim") for line in overall_text.captions(found))
            yield Text()

    def _overall(self, found: Overall) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
        for head in overall_text.HEADS:
            text = head in ("arm", "stands apart")
            table.add_column(head, justify="left" if text else "right", overflow="fold", no_wrap=not text)
        for row in found.rows:
            cells = map(Text, overall_text.cells(found, row))
            table.add_row(*cells)
        return table

    def _fit(
        self, board: Board, columns: list[Column], console: Console, options: ConsoleOptions
    ) -> tuple[Table, list[Column]]:
        """As many columns as fit; rather than leave out a needed one, two lines an arm, short names, no interval."""
        width = options.max_width
        layouts = [
            (columns, width // 3),
            (stacked(columns), width // 4),
            (stacked(columns), 12),
            (stacked(columns, interval=False), 12),
        ]
        for i, (layout, name) in enumerate(layouts):
            shown = list(layout)
            while True:
                table = self._table(board, shown, name)
                needed = Measurement.get(console, options.update(max_width=10_000), table).maximum
                least = min(reversed(shown), key=lambda column: column.keep)  # of equals the rightmost goes first
                if needed <= width or len(shown) == 1:
                    return table, [column for column in layout if column not in shown]
                if least.keep >= NEEDED and i + 1 < len(layouts):
                    break
                shown.remove(least)
        raise AssertionError("the last layout ends with one column")

    def _table(self, board: Board, columns: list[Column], widest_name: int) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
        for column in columns:
            if column.key == "arm":  # a long name breaks rather than crowd out the figures
                table.add_column(column.title, overflow="fold", max_width=widest_name)
            else:
                table.add_column(column.title, justify="right" if column.numeric else "left", no_wrap=True)
        best = [best_rows(board, column) for column in columns]
        previous = None
        for row in board.rows:
            if row.reported and previous is False:
                table.add_section()
            previous = row.reported
            cells = []
            for column, marked in zip(columns, best, strict=True):
                style = "dim italic" if row.reported else "bold green" if row.arm in marked else ""
                if column.key == "flags":
                    style = "yellow"
                cell = Text(column.cell(board, row), style=style)
                if self.intervals and (interval := column.interval(board, row)):
                    cell.append(f"\n{interval}", style="not bold dim")
                cells.append(cell)
            table.add_row(*cells)
        return table
