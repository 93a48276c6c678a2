"""Which character separates the fields of a table."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

CANDIDATES = (",", ";", "\t", "|")
"""What is tried where nobody says it, besides the usual separator of the file's suffix."""

NAMES = {"tab": "\t", "\\t": "\t"}
"""Words for separators that are hard to type."""

_STATED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


def stated(line: str) -> str | None:
    """The separator that a first line of the form ``sep=;`` states, as spreadsheets write and read it; else ``None``."""
    match = _STATED.fullmatch(line.rstrip("\r\n"))
    return match[1] if match else None


def guessed(header: str, columns: Sequence[str], usual: str) -> str:
    """The separator by which a header names all wanted columns: the usual one if it does, else the first of :data:`CANDIDATES`.

    Where none does, the one that makes most fields of it, so that a message about a missing column can name those there are.

    Args:
        header: The line with the names of the columns.
        columns: Names that are wanted.
        usual: Separator that the suffix of the file promises.
    """
    found = {separator: _fields(header, separator) for separator in (usual, *CANDIDATES)}
    for separator, names in found.items():
        if set(columns) <= set(names):
            return separator
    return max(found, key=lambda separator: len(found[separator]))


def _fields(header: str, separator: str) -> list[str]:
    return next(csv.reader([header], delimiter=separator), [])
