"""The leaderboard as data: a data frame, CSV, JSON. Figures in the unit of their score, rounded to nine digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from harness.report.model import Board, Row

DIGITS = 9
"""Significant digits of exported numbers: far beyond their accuracy, and free of the last bits of floating point."""


def wide(boards: Sequence[Board]) -> pd.DataFrame:
    """One line per board and arm.

    Columns: ``suite, board, dataset, arm, reported, source, rank, seeds, test, baseline, primary, flags``; for every score
    ``SCORE``, ``SCORE_low``, ``SCORE_high``, ``SCORE_std``; for every difference to the baseline ``SCORE_delta``,
    ``SCORE_delta_low``, ``SCORE_delta_high``, ``SCORE_p``, ``SCORE_p_holm``. ``seeds`` and ``flags`` are joined by blanks
    and semicolons. Empty where there is nothing.
    """
    import pandas as pd

    rows = [_line(board, row) for board in boards for row in board.rows]
    columns: dict[str, None] = {}
    for row in rows:
        columns.update(dict.fromkeys(row))
    frame = pd.DataFrame(rows, columns=list(columns))
    if "rank" in frame:
        frame["rank"] = frame["rank"].astype("Int64")
        frame["test"] = frame["test"].astype("Int64")
    return frame


def _line(board: Board, row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {
        "suite": board.suite,
        "board": board.board,
        "dataset": board.dataset,
        "arm": row.arm,
        "reported": row.reported,
        "source": row.source,
        "rank": row.rank,
        "seeds": " ".join(map(str, row.seeds)),
        "test": None if row.reported else board.test,
        "baseline": board.baseline,
        "primary": board.primary,
        "flags": "; ".join(row.flags),
    }
    for name in dict.fromkeys([*board.scores, *row.scores]):
        figure, difference = row.scores.get(name), row.differences.get(name)
        if figure is not None:
            line |= {
                name: figure.value,
                f"{name}_low": figure.low,
                f"{name}_high": figure.high,
                f"{name}_std": figure.std,
            }
        if difference is not None:
            line |= {
                f"{name}_delta": difference.value,
                f"{name}_delta_low": difference.low,
                f"{name}_delta_high": difference.high,
                f"{name}_p": difference.p,
                f"{name}_p_holm": difference.p_holm,
            }
    return line


def csv(boards: Sequence[Board]) -> str:
    """See :meth:`harness.report.Leaderboard.to_csv`."""
    return str(wide(boards).to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n"))


def as_json(value: Any) -> str:
    """A value as JSON text of rounded floats, indented and with a line feed at its end."""
    import json

    return json.dumps(rounded(value), indent=2, ensure_ascii=False) + "\n"


def rounded(value: Any) -> Any:
    """The same JSON value with floats at :data:`DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value
