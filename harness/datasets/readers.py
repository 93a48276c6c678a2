"""Tables from files: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.datasets.paths import existing_file
from harness.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Table:
    """Named columns of one split, as they were read.

    Attributes:
        split: ``"train"``, ``"validation"`` or ``"test"``; ids start with it.
        where: What to call it in messages: a path, or a name on the hub.
        columns: Values by column name, all of the same length.
        class_names: Names of the classes by index, if the source states them for the label column.
    """

    split: str
    where: str
    columns: dict[str, list[Any]]
    class_names: tuple[str, ...] = ()

    def column(self, name: str) -> list[Any]:
        """The values of one column.

        Raises:
            DataError: There is none of that name.
        """
        require(self.where, [name], self.columns)
        return self.columns[name]


def require(where: str, wanted: Sequence[str], present: Iterable[str], *, what: str = "column") -> None:
    """Raise :class:`~harness.errors.DataError` for the first wanted name that is not present."""
    names = list(present)
    for name in wanted:
        if name not in names:
            raise DataError(f"{where} has no {what} {name!r}. {did_you_mean(name, names)}")


def read_table(path: Path, *, split: str, columns: Sequence[str], encoding: str = "utf-8") -> Table:
    """The named columns of a file; the format follows from its suffix (``.csv`` may be compressed: ``.csv.gz``).

    Raises:
        DataError: There is no such file, its suffix is not known, it is damaged or encoded otherwise, or a column is missing.
    """
    existing_file(path)
    suffixes = [suffix for suffix in path.suffixes[-2:] if suffix in _READERS]
    if not suffixes:
        raise DataError(f"The format of {path} is not known. Known suffixes: {', '.join(_READERS)}.")
    where = str(path)
    return Table(split, where, _READERS[suffixes[-1]](path, columns, encoding))


def _parquet(path: Path, columns: Sequence[str], encoding: str) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        require(str(path), columns, file.schema_arrow.names)
        table = file.read(columns=list(dict.fromkeys(columns)))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {_first(error)}") from error
    return {name: table.column(name).to_pylist() for name in columns}


def _separated(path: Path, columns: Sequence[str], encoding: str, *, separator: str) -> dict[str, list[Any]]:
    import pandas as pd

    try:
        # Everything as text: pandas would take the words "NA" and "null" for missing values.
        frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding=encoding)
    except UnicodeDecodeError as error:
        raise _not_encoded(path, encoding, error) from error
    except LookupError as error:
        raise DataError(f"There is no encoding {encoding!r}.") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty.") from error
    except (pd.errors.ParserError, ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a table: {_first(error)}") from error
    require(str(path), columns, list(frame.columns))
    return {name: frame[name].tolist() for name in columns}


def _json_lines(path: Path, columns: Sequence[str], encoding: str) -> dict[str, list[Any]]:
    rows: list[dict[str, Any]] = []
    try:
        with path.open(encoding=encoding) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise DataError(f"Line {number} of {path} is not a JSON object.")
                require(f"Line {number} of {path}", columns, row)
                rows.append(row)
    except json.JSONDecodeError as error:
        raise DataError(f"Line {number} of {path} is not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise _not_encoded(path, encoding, error) from error
    except LookupError as error:
        raise DataError(f"There is no encoding {encoding!r}.") from error
    return {name: [row[name] for row in rows] for name in columns}


_READERS: dict[str, Callable[[Path, Sequence[str], str], dict[str, list[Any]]]] = {
    ".csv": partial(_separated, separator=","),
    ".tsv": partial(_separated, separator="\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}


def _not_encoded(path: Path, encoding: str, error: UnicodeDecodeError) -> DataError:
    return DataError(
        f"{path} is not {encoding}: byte {error.object[error.start]:#04x} near position {error.start}.",
        hint="Name its encoding in the option `encoding` (often `cp1252` or `latin-1`).",
    )


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
