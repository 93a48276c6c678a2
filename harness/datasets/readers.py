"""Tables from files: CSV, TSV, JSON lines and Parquet; and from class folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.components.paths import existing_file
from harness.datasets.arrow import read_parquet
from harness.datasets.class_folders import read_class_folders
from harness.datasets.decoding import UNPACKED
from harness.datasets.json_lines import read_json_lines
from harness.datasets.separated import Quoting, read_separated
from harness.datasets.tables import Table
from harness.errors import DataError

_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")
_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods")


def read_table(
    path: Path,
    *,
    split: str,
    columns: Sequence[str],
    encoding: str = "utf-8",
    quoting: Quoting = "auto",
    separator: str | None = None,
) -> Table:
    """The named columns of a file; the format follows from its suffix (texts may be packed: ``.csv.gz``).

    Args:
        path: The file, or a folder of class folders.
        split: Which split it is.
        columns: Names of the columns, that of the label last.
        encoding: Encoding of CSV, TSV, JSON lines and class folders.
        quoting: What quotation marks mean in CSV and TSV; see :func:`~harness.datasets.separated.read_separated`.
        separator: What separates the fields of CSV and TSV; ``None`` to find out.

    Raises:
        DataError: There is no such file, its suffix is not known, it is damaged or encoded otherwise, or a column is missing.
    """
    where = str(path)
    if path.is_dir():
        return Table(split, where, dict(read_class_folders(path, columns, encoding)))
    existing_file(path)
    packed = path.suffix in UNPACKED
    suffix = (path.with_suffix("") if packed else path).suffix.lower()
    match suffix:
        case ".csv" | ".tsv" | ".txt":
            usual = "," if suffix == ".csv" else "\t"
            found = read_separated(path, columns, encoding, separator=separator, usual=usual, quoting=quoting)
            guess = {} if found.separator in (usual, separator) else {"separator": found.separator}
            return Table(split, where, dict(found.columns), notes=guess)
        case ".jsonl" | ".ndjson":
            return Table(split, where, read_json_lines(path, columns, encoding))
        case ".parquet" if not packed:
            return Table(split, where, read_parquet(path, columns))
        case _ if suffix in _WORKBOOKS:
            raise DataError(
                f"{path} is a workbook, which is not read.",
                hint="Save the sheet as CSV (UTF-8) in the spreadsheet program.",
            )
    ways = "; texts may be packed: " + ", ".join(UNPACKED)
    raise DataError(f"The format of {path} is not known. Known suffixes: {', '.join(_SUFFIXES)}{ways}.")
