"""Texts in folders: one folder per class, one file per text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from harness.datasets.decoding import text_of
from harness.datasets.tables import require
from harness.disk import known_digest
from harness.errors import DataError

COLUMNS = ("text", "label", "file")
"""What such a folder has in place of columns: the contents, the name of the class folder, the path within the whole."""


def read_class_folders(folder: Path, columns: Sequence[str], encoding: str) -> dict[str, list[str]]:
    """The texts of a folder whose folders are the classes, in the order of their paths.

    A text is a file anywhere below a class folder. Files beside the class folders, and hidden files, are none.

    Args:
        folder: The folder.
        columns: Which of :data:`COLUMNS`.
        encoding: Encoding of the texts.

    Raises:
        DataError: Another column is wanted, there are no class folders with files, or a text is encoded otherwise.
    """
    require(f"The folder {folder}", columns, COLUMNS)
    files = _files(folder)
    if not files:
        raise DataError(
            f"The folder {folder} holds no texts: expected a folder for each class, with a file for each text."
        )
    values = {
        "text": [text_of(path, encoding) for path in files.values()] if "text" in columns else [],
        "label": [name.partition("/")[0] for name in files],
        "file": list(files),
    }
    return {name: values[name] for name in columns}


def class_folders_digest(folder: Path) -> str:
    """A digest of the texts and their paths within the folder."""
    digest = hashlib.sha256()
    for name, path in _files(folder).items():
        digest.update(f"{name}\0{known_digest(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(folder: Path) -> dict[str, Path]:
    below = (path for entry in folder.iterdir() if entry.is_dir() for path in entry.rglob("*"))
    named = {path.relative_to(folder).as_posix(): path for path in below if path.is_file()}
    visible = (name for name in named if not any(part.startswith(".") for part in name.split("/")))
    return {name: named[name] for name in sorted(visible)}
