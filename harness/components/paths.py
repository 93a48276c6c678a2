"""Where a path in an option points."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import DataError, did_you_mean

DATA_VARIABLE = "HARNESS_DATA"
"""Environment variable: a folder with local copies of the named data sets (see ``docs/datasets.md``)."""


def here() -> tuple[Path, ...]:
    """The folders that relative paths start from where no suite says otherwise: the current one, if it still exists."""
    try:
        return (Path.cwd(),)
    except OSError:
        return ()


def locate(path: str | os.PathLike[str], folder: str | None = None, *, folders: Sequence[Path] = ()) -> Path:
    """The absolute path that an option means.

    ``~`` and environment variables are expanded. A relative path starts at ``folder``; a relative ``folder`` starts at the
    first of ``folders`` in which the path exists, else at the last of them.

    Args:
        path: As written.
        folder: Folder that it starts from, as written.
        folders: Absolute folders to look in; none for the current one.

    Raises:
        DataError: An environment variable in it is not set, there is no such user's home, or nothing can have such a path.
    """
    try:
        return _located(path, folder, folders)
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a NUL
        raise DataError(f"{ascii(os.fspath(path))[:200]} is no path: {str(error)[:200].rstrip('.')}.") from error


def _located(path: str | os.PathLike[str], folder: str | None, folders: Sequence[Path]) -> Path:
    whole = Path(_expanded(folder)) / _expanded(path) if folder else Path(_expanded(path))
    if whole.is_absolute():
        return whole
    places = [place / whole for place in folders or here()]
    return next((place for place in places if place.exists()), places[-1] if places else whole).resolve()


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


def _expanded(path: str | os.PathLike[str]) -> str:
    expanded = os.path.expandvars(str(Path(path).expanduser()))
    if unset := re.search(r"\$\{?(\w+)\}?", expanded):
        raise DataError(f"The path {os.fspath(path)!r} uses the environment variable {unset[1]}, which is not set.")
    return expanded
