"""The public site: one page and the leaderboard files, made from a folder of accepted records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import InputError, StoreError
from harness.records.model import find_records
from harness.report.baselines import Baselines
from harness.report.leaderboard import Leaderboard

UNCHECKED = "measured results, not checked"
"""What a page of records says that were not checked."""


def build_site(
    results: Iterable[Path],
    output: Path,
    *,
    baselines: Iterable[Baselines] | None = None,
    unchecked: bool = False,
) -> list[Path]:
    """Write ``index.html`` and the leaderboard as JSON, CSV and Markdown.

    Args:
        results: Folders of records, usually ``leaderboard/results``.
        output: Folder of the site; made when absent, files in it are replaced.
        baselines: Reported figures; those that come with the project by default.
        unchecked: Publish without checking; the title of the page then says so.

    Returns:
        The files written.

    Raises:
        InputError: No records, records that contradict each other, or that do not pass the check
            (:func:`harness.report.check.check_records`).
        StoreError: The folder cannot be written.
    """
    from harness.report.html import render

    results = list(results)
    records = find_records(results)
    claimed = None
    if not unchecked:
        from harness.report.check import check_records

        report = check_records(results)
        claimed = report.claimed
        if problems := [*report.problems, *report.lacking]:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise InputError(
                f"Nothing is published, because the records do not pass the check: {problems[0]}{more}.",
                hint="`harness leaderboard check` lists all; --unchecked publishes all the same, and the page says so.",
            )
    leaderboard = Leaderboard.build(records, baselines=baselines)
    pages = {
        "index.html": render(
            records,
            leaderboard,
            title=UNCHECKED.capitalize() if unchecked else "Measured results",
            claimed=claimed,
        ),
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
