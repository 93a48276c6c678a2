"""The files of a run folder that are derived from its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk import explained, write_text

if TYPE_CHECKING:
    from harness.records.model import RecordFolder
    from harness.report import Leaderboard


def publish(records: Sequence[RecordFolder], folder: Path) -> Leaderboard:
    """Write the leaderboard of the records in every format, and the report."""
    from harness.report import build
    from harness.report.html import render

    board = build(records)
    texts: Mapping[str, Callable[[], str]] = {
        "leaderboard.md": board.to_markdown,
        "leaderboard.csv": board.to_csv,
        "leaderboard.json": board.to_json,
        "report.html": lambda: render(records, board, title=records[0].header.suite),
    }
    with explained(folder):
        for name, make in texts.items():
            write_text(folder / name, make())
    return board
