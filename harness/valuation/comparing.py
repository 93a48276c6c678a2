"""Two valuators on the same draws of the problem: paired differences of every figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import InputError, did_you_mean
from harness.statistics.comparison import Contrast
from harness.valuation.board import by_draw, paired
from harness.valuation.report import COLUMNS, RANGES, ValuationReport, shown

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType


@dataclass(frozen=True)
class ValuatorComparison:
    """What the values of valuator ``b`` are worth, less those of ``a``.

    Attributes:
        dataset: Name of the data set.
        a: The valuator compared with.
        b: The other.
        draws: Number of draws of the problem.
        figures: By figure, its means and the paired difference ``b - a`` over draws; left out where it is not defined.
    """

    dataset: str
    a: str
    b: str
    draws: int
    figures: dict[str, tuple[float, float, Contrast]]

    @classmethod
    def of(cls, report: ValuationReport, a: str, b: str) -> ValuatorComparison:
        """Compare two valuators of a report.

        Raises:
            InputError: There is no such valuator.
        """
        known = list(report.board["valuator"])
        for name in (a, b):
            if name not in known:
                raise InputError(f"No valuator of {report.dataset} is called {name!r}. {did_you_mean(name, known)}")
        figures = {}
        for name in RANGES:
            found = by_draw(report.runs, name) if name in report.runs else {}
            difference = paired(found[b], found[a]) if found else None
            if difference is not None:
                means = dict(zip(known, report.board[name], strict=True))
                figures[name] = (means[a], means[b], difference)
        return cls(report.dataset, a, b, report.draws, figures)

    def to_rich(self) -> RenderableType:
        """A table: both means, the difference with its interval, and p."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        from harness.report.columns import p_text

        table = Table("", box=None, header_style="bold", pad_edge=False)
        for heading in (self.a, self.b, "difference", "95 % interval", "p"):
            table.add_column(heading, justify="right")
        for name, (first, second, found) in self.figures.items():
            heading, form = COLUMNS[name]
            interval = found.estimate.interval()
            ends = "" if math.isnan(interval.low) else f"[{interval.low:+{form}}, {interval.high:+{form}}]"
            p = "" if math.isnan(found.p) else p_text(found.p)
            table.add_row(heading, shown(first, form), shown(second, form), f"{found.estimate.value:+{form}}", ends, p)
        said = f"Paired on {self.draws} draws of the problem: t-tests over draws, p-values as they are."
        if self.draws == 1:
            said = "One draw of the problem: nothing can be tested."
        return Group(Text(f"{self.dataset} · {self.b} against {self.a}", style="bold"), table, Text(said, style="dim"))


def to_frame(found: Sequence[ValuatorComparison]) -> pd.DataFrame:
    """One row per data set and figure: ``mean_a``, ``mean_b``, ``difference`` (b - a), ``low``, ``high``, ``p``, ``draws``."""
    import pandas as pd

    rows = []
    for one in found:
        for name, (first, second, difference) in one.figures.items():
            interval = difference.estimate.interval()
            rows.append(
                {
                    "dataset": one.dataset,
                    "figure": name,
                    "a": one.a,
                    "b": one.b,
                    "mean_a": first,
                    "mean_b": second,
                    "difference": difference.estimate.value,
                    "low": interval.low,
                    "high": interval.high,
                    "p": difference.p,
                    "draws": one.draws,
                }
            )
    return pd.DataFrame(rows)
