"""Writing of run records: whole or not at all, and the same bytes for the same content."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import shutil
import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk import explained, file_digest, within
from harness.errors import InputError
from harness.records.model import HEADER, Record, RecordFolder
from harness.store.payload import write_parquet

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("predictions", "validation")
"""The files that every record has beside its header."""


def write_record(folder: Path, header: Record, frames: Mapping[str, pd.DataFrame]) -> RecordFolder:
    """Write a record so that nobody ever sees half of it.

    Everything is written to a temporary folder beside ``folder``, which then takes its place; a record that was there before
    is replaced.

    Args:
        folder: Where the record shall be; its parents are made.
        header: The header; its ``files`` are filled in here.
        frames: The other files by name without ``.parquet``: ``"predictions"``, ``"tables/ece.reliability"``. Indexes are
            not kept.

    Returns:
        The record as it lies on disk.

    Raises:
        InputError: ``predictions`` or ``validation`` is missing.
        StoreError: The folder cannot be written.
    """
    if missing := [name for name in REQUIRED if name not in frames]:
        raise InputError(f"A record needs the frames {' and '.join(REQUIRED)}; missing: {', '.join(missing)}.")
    with explained(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            complete = _replace(folder, work, header, frames)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return RecordFolder(folder, complete)


def _replace(folder: Path, work: Path, header: Record, frames: Mapping[str, pd.DataFrame]) -> Record:
    """Write a record into ``work`` and put it in the place of ``folder``; the complete header."""
    fresh = work / "new"
    files = {}
    for name, frame in sorted(frames.items()):
        path = within(fresh, f"{name}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(frame, path)
        files[f"{name}.parquet"] = file_digest(path)
    complete = header.model_copy(update={"files": files})
    (fresh / HEADER).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")
    names = [*files, HEADER]
    if filecmp.cmpfiles(fresh, folder, names, shallow=False)[0] == names:
        return complete  # it is there already, and another run may be reading it
    for attempt in count():
        old = work / f"old-{attempt}"
        with contextlib.suppress(FileNotFoundError):
            folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
                continue  # another run has put its own there in the meantime
            if old.exists():
                old.rename(folder)
            raise
        break
    return complete
