"""The board of valuators in the terminal: as many columns as fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from harness.valuation.report import ValuationReport

LEAST = ("peak_mb", "f1", "auroc_min", "seconds", "stability", "lds_uu", "lds_points", "network_area", "removal_area")
"""Columns in the order in which they are left out; what ranks stays."""


@dataclass(frozen=True)
class BoardView:
    """A board that rich can print: the best of each column in bold, intervals below the figures."""

    report: ValuationReport

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        report = self.report
        hidden: list[str] = []
        while True:
            table = self._table(hidden)
            needed = Measurement.get(console, options.update(max_width=10_000), table).maximum
            more = [name for name in LEAST if name in report.columns and name not in {*hidden, report.primary}]
            if needed <= options.max_width or not more:
                break
            hidden.append(more[0])
        yield Text(f"Valuators · {report.title}", style="bold")
        yield table
        if hidden:
            headings = ", ".join(report.columns[name][0] for name in hidden)
            yield Text(f"Not shown for want of width: {headings}.", style="dim")
        yield from (Text(line, style="dim") for line in report.captions)

    def _table(self, hidden: list[str]) -> Table:
        report = self.report
        ranked = report.draws > 1
        table = Table(box=None, header_style="bold", pad_edge=False)
        if ranked:
            table.add_column("rank", justify="right", no_wrap=True)
        table.add_column("valuator", no_wrap=True)
        shown = [name not in hidden for name in report.columns]
        for name, (heading, _) in report.columns.items():
            if name not in hidden:
                table.add_column(heading, justify="right", no_wrap=True)
        for rank, valuator, cells in report.rows():
            texts = []
            for cell, kept in zip(cells, shown, strict=True):
                text = Text(cell.text, style="bold" if cell.best else "")
                if cell.interval:
                    text.append(f"\n{cell.interval}", style="not bold dim")
                texts += [text] if kept else []
            table.add_row(*([rank] if ranked else []), Text(valuator), *texts)
        return table
