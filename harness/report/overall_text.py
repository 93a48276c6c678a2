"""A summary over data sets as text: headings, cells, what to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.columns import MINUS, p_text
from harness.report.overall import FEWEST

if TYPE_CHECKING:
    from harness.report.model import Overall, OverallRow

HEADS = ("rank", "arm", "data sets", "mean", "difference", "p", "stands apart")


def cells(found: Overall, row: OverallRow) -> tuple[str, ...]:
    """The texts of a row, one per heading of :data:`HEADS`."""
    difference = ""
    if row.difference is not None:
        difference = _points(row.difference, sign=True)
        if row.low is not None and row.high is not None:
            difference += f" [{_points(row.low)}, {_points(row.high)}]"
    rank = (
        "" if row.rank is None else str(row.rank[0]) if row.rank[0] == row.rank[1] else f"{row.rank[0]}–{row.rank[1]}"
    )
    flags = "; ".join(f"{', '.join(flags)} on {name}" for name, flags in row.flags.items())
    value = "" if row.value is None else _points(row.value)
    return rank, row.arm, f"{row.datasets} of {len(found.datasets)}", value, difference, p_text(row.p), flags


def title(found: Overall) -> str:
    """What is summed up."""
    return f"{found.suite} · over {len(found.datasets)} data sets ({', '.join(found.datasets)}) · {found.score}"


def captions(found: Overall) -> list[str]:
    """What a reader has to know."""
    better = f", {found.better} is better" if found.better else ""
    lines = [
        f"Means over data sets in points{better}; differences to {found.baseline} with 95 % intervals, about these data sets.",
        "Ranks are intervals, which hold together with 95 %.",
    ]
    if any(row.value is None or row.flags for row in found.rows):
        lines.append(
            "Arms that lack a data set, or stand apart on one, are not ranked, and nothing is put in their place."
        )
    tested = {row.arm: row.p_datasets for row in found.rows if row.p_datasets is not None}
    if tested:
        said = ", ".join(f"{arm} {p_text(p)}" for arm, p in tested.items())
        lines.append(f"For data sets like these, signed-rank test over data sets: {said}.")
    else:
        lines.append(f"Nothing is said of other data sets: that takes {FEWEST} or more.")
    return lines


def _points(share: float, *, sign: bool = False) -> str:
    text = f"{100 * share:{'+' if sign else ''}.1f}"
    return ("0.0" if text in ("-0.0", "+0.0") else text).replace("-", MINUS)
