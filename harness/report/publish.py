"""The files of a run folder that are derived from its records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk import explained, file_digest, write_text
from harness.records.model import HEADER
from harness.version import __version__

if TYPE_CHECKING:
    from harness.records.model import RecordFolder
    from harness.report import Leaderboard

FILES = ("leaderboard.md", "leaderboard.csv", "leaderboard.json", "report.html")
STAMP = ".derived.json"
"""What the files were derived from, and their digests: with the same records nothing is computed again."""


def publish(records: Sequence[RecordFolder], folder: Path) -> Leaderboard:
    """Write the leaderboard of the records in every format, and the report; nothing where they are there already."""
    from harness.report import build
    from harness.report.html import render
    from harness.report.leaderboard import Leaderboard

    key = _key(records)
    if _there(folder) == (key, _digests(folder)):
        return Leaderboard.read((folder / "leaderboard.json").read_text(encoding="utf-8"), records)
    board = build(records)
    texts: Mapping[str, Callable[[], str]] = {
        "leaderboard.md": board.to_markdown,
        "leaderboard.csv": board.to_csv,
        "leaderboard.json": board.to_json,
        "report.html": lambda: render(records, board, title=records[0].header.suite),
    }
    with explained(folder):
        (folder / STAMP).unlink(missing_ok=True)
        for name, make in texts.items():
            write_text(folder / name, make())
        write_text(folder / STAMP, json.dumps({"records": key, "files": _digests(folder)}))
    return board


def _key(records: Sequence[RecordFolder]) -> str:
    """Digest of all that the files are derived from: the records, reported figures, and the code."""
    from harness.components.code import tree_of
    from harness.report.baselines import default_baselines
    from harness.report.leaderboard import Leaderboard

    code = tree_of(Leaderboard)
    parts = [__version__, code.digest("harness.report.leaderboard"), code.digest("harness.report.html.page")]
    parts += [source.model_dump_json() for source in default_baselines()]
    parts += [f"{record.folder}\0{file_digest(record.folder / HEADER)}" for record in records]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _there(folder: Path) -> tuple[str, dict[str, str]] | None:
    try:
        found = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        return found["records"], found["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digests(folder: Path) -> dict[str, str]:
    return {name: file_digest(folder / name) for name in FILES if (folder / name).is_file()}
