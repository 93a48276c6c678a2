"""Tables from files: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.components.paths import existing_file
from harness.datasets.arrow import read_parquet
from harness.datasets.decoding import UNPACKED
from harness.datasets.json_lines import read_json_lines
from harness.datasets.separated import Quoting, read_separated
from harness.datasets.tables import Table
from harness.errors import DataError

_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def read_table(
    path: Path, *, split: str, columns: Sequence[str], encoding: str = "utf-8", quoting: Quoting = "auto"
) -> Table:
    """The named columns of a file; the format follows from its suffix (texts may be packed: ``.csv.gz``).

    Args:
        path: The file.
        split: Which split it is.
        columns: Names of the columns, that of the label last.
        encoding: Encoding of CSV, TSV and JSON lines.
        quoting: What quotation marks mean in CSV and TSV; see :func:`~harness.datasets.separated.read_separated`.

    Raises:
        DataError: There is no such file, its suffix is not known, it is damaged or encoded otherwise, or a column is missing.
    """
    existing_file(path)
    packed = path.suffix in UNPACKED
    suffix = (path.with_suffix("") if packed else path).suffix
    where = str(path)
    match suffix:
        case ".csv" | ".tsv":
            separator = "," if suffix == ".csv" else "\t"
            return Table(
                split, where, dict(read_separated(path, columns, encoding, separator=separator, quoting=quoting))
            )
        case ".jsonl":
            return Table(split, where, read_json_lines(path, columns, encoding))
        case ".parquet" if not packed:
            return Table(split, where, read_parquet(path, columns))
    ways = "; texts may be packed: " + ", ".join(UNPACKED)
    raise DataError(f"The format of {path} is not known. Known suffixes: {', '.join(_SUFFIXES)}{ways}.")
