"""JSON lines: one object a line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.datasets.decoding import text_of
from harness.datasets.tables import require
from harness.errors import DataError


def json_objects(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their line numbers (from 1); blank lines are left out.

    Raises:
        DataError: The file cannot be decoded, or a line is no JSON object, or has a key twice, is nested too deep or holds an
            integer of more digits than Python reads.
    """
    for number, line in enumerate(io.StringIO(text_of(path, encoding), newline=None), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line, object_pairs_hook=_distinct)
        except RecursionError as error:
            raise DataError(f"Line {number} of {path} is nested too deep.") from error
        except json.JSONDecodeError as error:
            raise DataError(f"Line {number} of {path} is not JSON: {error}") from error
        except ValueError as error:
            raise DataError(f"Line {number} of {path} cannot be read: {str(error).split(';')[0]}.") from error
        if not isinstance(found, dict):
            raise DataError(f"Line {number} of {path} is not a JSON object.")
        yield number, found


def read_json_lines(path: Path, columns: Sequence[str], encoding: str) -> dict[str, list[Any]]:
    """The named columns of a JSON lines file.

    Raises:
        DataError: As :func:`json_objects`; or an object lacks one of the columns.
    """
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for number, found in json_objects(path, encoding):
        require(f"Line {number} of {path}", columns, found)
        for name, column in values.items():
            column.append(found[name])
    return values


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!r} occurs more than once")
    return found
