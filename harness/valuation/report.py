"""The board of valuators: what their values are worth, per data set, as a table for people and as files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.statistics.digits import significant
from harness.valuation.judge import AssessedValues, Measured, agreement, board

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType


COLUMNS = {
    "auroc": ("AUROC", ".3f"),
    "auroc_min": ("worst seed", ".3f"),
    "f1": ("F1", ".3f"),
    "removal_area": ("removal area", ".4f"),
    "stability": ("stability", ".3f"),
    "seconds": ("seconds", ""),
    "peak_mb": ("peak MB", ",.0f"),
}
"""Columns of the board: heading and format, none for significant digits. What they mean is said in
:func:`harness.valuation.judge.board`."""

MEANINGS = {
    "auroc": "Probability that a right label is valued above a flipped one; mean over seeds, .5 is chance.",
    "auroc_min": "The AUROC of the worst seed.",
    "f1": "F1 of calling the lowest-valued points flipped, as many as there are; chance is the flipped share.",
    "removal_area": "Mean gap in test accuracy between dropping the lowest- and the highest-valued points; 0 is chance.",
    "stability": "Mean Spearman correlation of the values between seeds, on one problem.",
    "seconds": "Wall-clock time of one valuation, mean over seeds.",
    "peak_mb": "Largest memory above what was in use before, in megabytes.",
}
"""What the columns mean, for the pages."""

BETTER = {
    "auroc": max,
    "auroc_min": max,
    "f1": max,
    "removal_area": max,
    "stability": max,
    "seconds": min,
    "peak_mb": min,
}


@dataclass(frozen=True)
class ValuationReport:
    """The assessment of all valuators on one data set.

    Attributes:
        dataset: Name of the data set.
        noise: Share of the training labels that were flipped.
        board: One row per valuator, best AUROC first (see :func:`harness.valuation.judge.board`).
        agreement: Spearman correlations between the valuators' values under the first seed.
        curves: Columns ``valuator``, ``seed``, ``removed``, ``remove_high``, ``remove_low``.
    """

    dataset: str
    noise: float
    board: pd.DataFrame
    agreement: pd.DataFrame
    curves: pd.DataFrame

    def to_rich(self) -> RenderableType:
        """A table with the best of each column in bold."""
        from rich.table import Table

        table = Table(
            "valuator",
            *(heading for heading, _ in COLUMNS.values()),
            title=f"Valuators · {self.dataset} · {self.noise:.0%} of the training labels flipped",
            title_justify="left",
            box=None,
            header_style="bold",
            pad_edge=False,
        )
        for column in table.columns[1:]:
            column.justify = "right"
        for row in self.board.to_dict("records"):
            cells = (f"[bold]{text}[/bold]" if best else text for text, best in self.cells(row))
            table.add_row(row["valuator"], *cells)
        return table

    def cells(self, row: dict[Any, Any]) -> list[tuple[str, bool]]:
        """The figures of a row of the board as text, each with whether it is the best of its column."""
        found = []
        for name, (_, form) in COLUMNS.items():
            finite = [value for value in self.board[name] if not math.isnan(value)]
            found.append((shown(row[name], form), bool(finite) and row[name] == BETTER[name](finite)))
        return found

    def to_markdown(self) -> str:
        """A heading and a Markdown table."""
        lines = [
            f"## {self.dataset}: {self.noise:.0%} of the training labels flipped",
            "",
            "| valuator | " + " | ".join(heading for heading, _ in COLUMNS.values()) + " |",
            "| --- |" + " ---: |" * len(COLUMNS),
        ]
        for row in self.board.to_dict("records"):
            lines.append(f"| {row['valuator']} | " + " | ".join(text for text, _ in self.cells(row)) + " |")
        return "\n".join(lines) + "\n"


def shown(value: float, form: str) -> str:
    """A figure, or a dash where it is not defined."""
    return "–" if math.isnan(value) else format(value, form) if form else significant(value)


def make_report(
    dataset: str, noise: float, items: Sequence[tuple[str, int, AssessedValues, Measured]]
) -> ValuationReport:
    """The report of one data set.

    Args:
        dataset: Name of the data set.
        noise: Share of flipped labels.
        items: Valuator, seed, assessment and measurement, in the suite's order.
    """
    import pandas as pd

    names = list(dict.fromkeys(name for name, *_ in items))
    assessed = {name: [a for n, _, a, _ in items if n == name] for name in names}
    measured = {name: [m for n, _, _, m in items if n == name] for name in names}
    curves = pd.concat([a.curves.assign(valuator=name, seed=seed) for name, seed, a, _ in items], ignore_index=True)
    return ValuationReport(
        dataset,
        noise,
        board(assessed, measured),
        agreement({name: runs[0].values for name, runs in measured.items()}),
        curves[["valuator", "seed", "removed", "remove_high", "remove_low"]],
    )


def to_json(reports: Sequence[ValuationReport]) -> str:
    """Boards, agreement and curves of several data sets as JSON."""

    def plain(frame: pd.DataFrame) -> Any:
        return json.loads(frame.to_json(orient="records"))

    return json.dumps(
        [
            {
                "dataset": report.dataset,
                "noise": report.noise,
                "board": plain(report.board),
                "agreement": json.loads(report.agreement.to_json(orient="index")),
                "curves": plain(report.curves),
            }
            for report in reports
        ],
        indent=1,
    )


def to_csv(reports: Sequence[ValuationReport]) -> str:
    """The boards of several data sets as one CSV table."""
    import pandas as pd

    frames = [report.board.assign(dataset=report.dataset) for report in reports]
    table = pd.concat(frames, ignore_index=True)
    text: str = table[["dataset", *(c for c in table.columns if c != "dataset")]].to_csv(
        index=False, lineterminator="\n"
    )
    return text
