"""The public site: one page and the leaderboard files, made from a folder of accepted records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import StoreError
from harness.records.model import find_records
from harness.report.baselines import Baselines
from harness.report.leaderboard import Leaderboard


def build_site(results: Iterable[Path], output: Path, *, baselines: Iterable[Baselines] | None = None) -> list[Path]:
    """Write ``index.html`` and the leaderboard as JSON, CSV and Markdown.

    Args:
        results: Folders of records, usually ``leaderboard/results``.
        output: Folder of the site; made when absent, files in it are replaced.
        baselines: Reported figures; those that come with the project by default.

    Returns:
        The files written.

    Raises:
        InputError: No records, or records that contradict each other.
        StoreError: The folder cannot be written.
    """
    from harness.report.html import render

    records = find_records(results)
    leaderboard = Leaderboard.build(records, baselines=baselines)
    pages = {
        "index.html": render(records, leaderboard, title="Measured results"),
        "leaderboard.json": leaderboard.to_json(),
        "leaderboard.csv": leaderboard.to_csv(),
        "leaderboard.md": leaderboard.to_markdown(),
    }
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (output / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{output}: the site cannot be written ({error.strerror or error}).") from error
    return [output / name for name in pages]
