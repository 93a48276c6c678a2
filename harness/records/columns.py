"""The columns of a record's files: in which types they come, and what is told of a file that has others.

A file is looked at before anything is computed from it, so that an odd one is reported by its name and column, and not where
some computation happens to stumble over it.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Kind = Literal["text", "whole numbers", "numbers", "lists of texts"]


class Column(NamedTuple):
    """What a column holds, and whether every row has to have a value."""

    kind: Kind
    full: bool = False


_ID = Column("text", full=True)
_TEXT = Column("text")
_NUMBERS = Column("numbers")
_PREDICTED = {"id": _ID, "label": Column("whole numbers", full=True), r"prob_\d+": Column("numbers", full=True)}

COLUMNS: dict[str, dict[str, Column]] = {
    "predictions": {
        **_PREDICTED,
        "cluster": _ID,
        "tags": Column("lists of texts"),
        "status": _TEXT,
        r"perturbed_prob_\d+": _NUMBERS,
        "queries": _NUMBERS,
    },
    "validation": _PREDICTED,
    "per_example": {"id": _ID, ".+": _NUMBERS},
    "replicates": {".+": _NUMBERS},
    "texts": {"id|text": _ID, "text_pair|perturbed|perturbed_pair": _TEXT},
    "map": {"id": _ID, "x|y": _NUMBERS},
}
"""Per file the names of columns, as regular expressions of which the first that fits holds; others may hold anything."""

LARGEST = 1e100
"""Largest size of a number in a record: what is computed from it must not overflow."""

NEEDED = {
    "predictions": ("id", "label"),
    "validation": ("id", "label"),
    "texts": ("id", "text"),
    "map": ("id", "x", "y"),
}
"""Columns that a file of that name cannot be read without."""


def read_columns(path: Path, name: str) -> pd.DataFrame:
    """The file ``name`` of a record, with its columns in the types that they have in records.

    Args:
        path: The file.
        name: Its name: ``"predictions"``, ``"tables/ece.reliability"``.

    Raises:
        InputError: It is no Parquet file, or damaged; a column is missing, occurs twice, has
            another type, lacks a value it has to have, or holds a number beyond :data:`LARGEST`.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    again = "Delete the record folder and run the suite again."
    if not path.is_file():
        raise InputError(f"{path}: is no file.", hint=again)
    try:
        with path.open("rb") as file:
            about = pq.read_metadata(file)
            schema = about.schema.to_arrow_schema()
            if twice := [column for column, count in Counter(schema.names).items() if count > 1]:
                raise InputError(f"{path}: the column {twice[0]!r} occurs twice.", hint=again)
            wanted = _wanted(schema, path, name, empty=not about.num_rows)
            file.seek(0)
            frame = pd.read_parquet(file)
    except (OSError, ValueError, pa.ArrowException, OverflowError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise InputError(f"{path}: damaged ({reason}).", hint=again) from error
    for column, (kind, full) in wanted.items():
        if full and (missing := frame[column].isna()).any():
            raise InputError(f"{path}: column {column!r} has no value in row {int(missing.to_numpy().argmax())}.")
        if kind == "numbers":
            size = np.abs(pd.to_numeric(frame[column]).to_numpy(np.float64, na_value=np.nan))
            if (huge := (size > LARGEST) & np.isfinite(size)).any():
                row = int(huge.argmax())
                raise InputError(f"{path}: column {column!r} holds {frame[column].iloc[row]:g} in row {row}.")
    return frame


def _wanted(schema: pa.Schema, path: Path, name: str, *, empty: bool) -> dict[str, Column]:
    """What the columns of a file should be, of those of which it is known; their types are, but for a file without rows."""
    wanted = {}
    if lacking := [column for column in NEEDED.get(name, ()) if column not in schema.names]:
        raise InputError(f"{path}: column {lacking[0]!r} is missing.")
    for field in schema:
        known = (found for pattern, found in COLUMNS.get(name, {}).items() if re.fullmatch(pattern, field.name))
        if (column := next(known, None)) is None:
            continue
        if not empty and not _holds(field.type, column.kind):
            raise InputError(f"{path}: column {field.name!r} holds {field.type}, not {column.kind}.")
        wanted[field.name] = column
    return wanted


def _holds(found: pa.DataType, wanted: Kind) -> bool:
    """Whether a type of Arrow is of a kind; a column of which every value is missing is of all kinds."""
    import pyarrow.types as t

    if t.is_dictionary(found):
        return _holds(found.value_type, wanted)
    if t.is_null(found):
        return True
    match wanted:
        case "text":
            return bool(t.is_string(found) or t.is_large_string(found))
        case "whole numbers":
            return bool(t.is_integer(found))
        case "numbers":
            return bool(t.is_integer(found) or t.is_floating(found) or t.is_boolean(found))
        case "lists of texts":
            return bool((t.is_list(found) or t.is_large_list(found)) and _holds(found.value_type, "text"))
