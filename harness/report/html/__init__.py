"""The HTML report: one self-contained file with the leaderboard, charts of every data set and a browser of examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StoreError

if TYPE_CHECKING:
    from harness.records.model import RecordFolder
    from harness.report.groups import BoardKey
    from harness.report.leaderboard import Leaderboard


def render(
    records: Sequence[RecordFolder],
    leaderboard: Leaderboard,
    *,
    title: str,
    claimed: Mapping[BoardKey, Set[str]] | None = None,
) -> str:
    """The report as one HTML document that needs nothing else: no network, no other file.

    With up to about twenty data sets it stays below five megabytes: maps and the browser of examples are sampled where the
    test sets are large, always in the same way, and the page says so. The same records give the same bytes.

    Args:
        records: Records to draw curves and take examples from; may be empty, then the page has the leaderboard only.
        leaderboard: The leaderboard of these records.
        title: Heading of the page.
        claimed: Of checked records, by board, the scores that could not be computed again (:mod:`harness.report.check`); the
            page then says of each score which it is.

    Raises:
        harness.errors.InputError: A file of a record is damaged.
    """
    from harness.report.html.page import page

    return page(records, leaderboard, title=title, claimed=claimed)


def write(path: Path, records: Sequence[RecordFolder], leaderboard: Leaderboard, *, title: str) -> Path:
    """Write the report to a file.

    Raises:
        harness.errors.InputError: A file of a record is damaged.
        harness.errors.StoreError: The file cannot be written.
    """
    text = render(records, leaderboard, title=title)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: the report cannot be written ({error.strerror or error}).") from error
    return path
