"""Columns of Arrow tables, from Parquet files or from the ``datasets`` library, as Python values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.datasets.tables import require
from harness.errors import DataError


def read_parquet(path: Path, columns: Sequence[str]) -> dict[str, list[Any]]:
    """The named columns of a Parquet file.

    Raises:
        DataError: It is damaged, lacks a column, or holds what is no text or no value of Python's.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            require(str(path), columns, file.schema_arrow.names)
            places = [file.schema_arrow.names.index(name) for name in dict.fromkeys(columns)]
            table = file.read(columns=[file.schema_arrow.names[place] for place in places])
            return {name: values(table.column(name), name, str(path)) for name in columns}
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {first_line(error)}") from error


def values(column: Any, name: str, where: str) -> list[Any]:
    """The values of an Arrow column.

    Raises:
        DataError: One is no valid UTF-8, or cannot be a value of Python's; the message names the row (counted from 1).
    """
    try:
        found: list[Any] = column.to_pylist()
        return found
    except (ValueError, OverflowError):
        for row, value in enumerate(column, start=1):
            try:
                value.as_py()
            except (ValueError, OverflowError) as error:
                raise DataError(
                    f"The column {name!r} of {where} cannot be read in row {row}: {first_line(error)}"
                ) from error
        raise


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
