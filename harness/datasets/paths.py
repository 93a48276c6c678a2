"""Where a relative path of a data set option points."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from harness.errors import DataError, did_you_mean

DATA_VARIABLE = "HARNESS_DATA"
"""Environment variable: a folder with local copies of the named data sets (see ``docs/datasets.md``)."""

_base: ContextVar[Path | None] = ContextVar("harness_datasets_base", default=None)


@contextmanager
def relative_to(folder: Path) -> Iterator[None]:
    """Let relative paths in options start at ``folder`` (that of the suite file) where something is there."""
    token = _base.set(folder)
    try:
        yield
    finally:
        _base.reset(token)


def locate(path: str, folder: str | None = None) -> Path:
    """The absolute path that an option means.

    ``~`` and environment variables are expanded. A relative path starts at ``folder``; a relative ``folder`` at that of the
    suite file if the path exists there, else at the current directory.

    Raises:
        DataError: An environment variable in it is not set.
    """
    whole = Path(_expanded(folder)) / _expanded(path) if folder else Path(_expanded(path))
    if whole.is_absolute():
        return whole
    base = _base.get()
    if base is not None and (base / whole).exists():
        return (base / whole).resolve()
    return whole.resolve()


def existing_file(path: Path) -> Path:
    """``path`` itself.

    Raises:
        DataError: It is not a file; the message names the nearest file beside it.
    """
    if path.is_file():
        return path
    if path.is_dir():
        raise DataError(f"The data file {path} is a folder.")
    if not path.parent.is_dir():
        raise DataError(f"There is no data file {path}: the folder {path.parent} does not exist.")
    beside = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    raise DataError(f"There is no data file {path}. {did_you_mean(path.name, beside)}")


def _expanded(path: str) -> str:
    expanded = os.path.expandvars(str(Path(path).expanduser()))
    if unset := re.search(r"\$\{?(\w+)\}?", expanded):
        raise DataError(f"The path {path!r} uses the environment variable {unset[1]}, which is not set.")
    return expanded
