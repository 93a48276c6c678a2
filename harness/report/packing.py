"""Preparing records for a submission."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.disk import explained, within
from harness.errors import InputError
from harness.records.model import RecordFolder, find_records
from harness.records.writer import write_record

FIGURES = ("predictions", "validation", "per_example", "replicates", "map")
"""Files of a record that never quote the data set."""


def pack(paths: Iterable[Path], output: Path, *, texts: bool = True) -> list[RecordFolder]:
    """Copy records into ``output/DATASET/ARM/seed-N``.

    Args:
        paths: Folders with records.
        output: Folder of the submission.
        texts: Whether to keep the files that quote the data set; without them the records are smaller, and fit for data
            whose licence forbids spreading it.

    Returns:
        The copies.

    Raises:
        InputError: No records, or two that would take the same place.
        StoreError: The folder cannot be written.
    """
    places: dict[Path, RecordFolder] = {}
    for record in find_records(paths):
        header = record.header
        place = within(output, f"{header.dataset}/{header.arm}/seed-{header.seed}")
        known = places.setdefault(place, record)
        if known is not record:
            raise InputError(
                f"{known.folder} and {record.folder} are both arm {header.arm!r} under seed {header.seed}."
            )
    with explained(output, elsewhere="Choose another place with --output."):
        output.mkdir(parents=True, exist_ok=True)
    copies = []
    for place, record in places.items():
        if problems := record.verify():
            raise InputError(problems[0], hint="Run the suite again; it computes nothing that it has.")
        names = [name.removesuffix(".parquet") for name in record.header.files]
        frames = {name: record.frame(name) for name in names if texts or name in FIGURES}
        found = {name: frame for name, frame in frames.items() if frame is not None}
        copies.append(write_record(place, record.header, found))
    return copies
