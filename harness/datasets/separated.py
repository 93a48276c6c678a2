"""Tables of separated values: CSV (RFC 4180) and TSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.datasets.decoding import text_of
from harness.datasets.separators import guessed, stated
from harness.datasets.tables import require
from harness.errors import DataError

Quoting = Literal["auto", "csv", "none"]

_LONGEST = 2**31 - 1
_MEANT = (
    "A field that holds the separator or a line break stands in quotation marks, and such marks inside it are doubled. "
    "Where quotation marks are mere characters, set `quoting: none`."
)


@dataclass(frozen=True)
class Separated:
    """What was read.

    Attributes:
        columns: Values by column name.
        separator: What separates the fields.
    """

    columns: dict[str, list[str]]
    separator: str


def read_separated(
    path: Path,
    columns: Sequence[str],
    encoding: str,
    *,
    usual: str,
    separator: str | None = None,
    quoting: Quoting = "auto",
) -> Separated:
    """The named columns of a CSV or TSV file with a header, every value as the text that stands there.

    Every row must have as many fields as the header, and what stands in quotation marks must be closed.
    A lone mark at the beginning of a field would take in whole rows without breaking any rule, if another one follows
    somewhere below. With ``quoting="auto"`` a field over several lines is therefore refused if two or more of these lines
    are rows themselves, with a label that other rows have. Blank lines are no rows, nor is a first line ``sep=;``.

    Args:
        path: The file, perhaps packed.
        columns: Names of the columns, that of the label last.
        encoding: Its encoding.
        usual: The separator that its suffix promises.
        separator: The separator, if somebody says it; else the one that a first line ``sep=;`` states, else the one by which
            the header names the columns (:func:`~harness.datasets.separators.guessed`).
        quoting: ``"csv"``: quotation marks enclose fields; ``"none"``: they are characters like any other; ``"auto"``: as
            ``"csv"``, but refuse what looks like a lone mark.

    Raises:
        DataError: Whatever is wrong, with line and row (counted from 1, without the header).
    """
    lines = list(io.StringIO(text_of(path, encoding), newline=""))
    if lines and (said := stated(lines[0])):
        separator, lines[0] = separator or said, "\n"
    if separator is None:
        separator = guessed(next((line for line in lines if line.strip()), ""), columns, usual)
    csv.field_size_limit(_LONGEST)  # the module's own bound is 131,072 characters, which long documents exceed
    style: Literal[0, 3] = csv.QUOTE_NONE if quoting == "none" else csv.QUOTE_MINIMAL
    reader = csv.reader(lines, delimiter=separator, quoting=style, strict=True)
    header: list[str] | None = None
    rows: list[list[str]] = []
    spanning: list[tuple[int, int, int]] = []
    while True:
        start = reader.line_num + 1
        place = "the header" if header is None else f"line {start} (row {len(rows) + 1})"
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise DataError(
                f"{path} cannot be read as a table: {place} has a field whose quotation marks do not match ({error}).",
                hint=_MEANT,
            ) from error
        if len(fields) <= 1 and not "".join(fields).strip():
            continue
        if header is None:
            header = fields
            require(str(path), columns, header)
            continue
        if len(fields) != len(header):
            raise DataError(
                f"{path} cannot be read as a table: {place} has {len(fields)} field{'s' * (len(fields) > 1)}, "
                f"the header has {len(header)}.",
                hint=_MEANT,
            )
        if reader.line_num > start:
            spanning.append((len(rows), start, reader.line_num))
        rows.append(fields)
    if header is None:
        raise DataError(f"{path} is empty.")
    places = [header.index(name) for name in columns]
    if quoting == "auto" and spanning:
        _no_lone_mark(path, lines, rows, spanning, separator=separator, width=len(header), label=places[-1])
    return Separated(
        {name: [row[place] for row in rows] for name, place in zip(columns, places, strict=True)}, separator
    )


def _no_lone_mark(
    path: Path,
    lines: Sequence[str],
    rows: Sequence[Sequence[str]],
    spanning: Sequence[tuple[int, int, int]],
    *,
    separator: str,
    width: int,
    label: int,
) -> None:
    several = {row for row, _, _ in spanning}
    known = {fields[label].strip() for row, fields in enumerate(rows) if row not in several}
    for row, start, end in spanning:
        naive = [line.rstrip("\r\n").split(separator) for line in lines[start - 1 : end]]
        alone = sum(len(fields) == width and fields[label].strip(' "') in known for fields in naive)
        if alone > 1:
            raise DataError(
                f"{path} cannot be read as a table: the field in quotation marks of line {start} (row {row + 1}) goes on to "
                f"line {end}, and {alone} of these lines are rows themselves.",
                hint="If quotation marks are mere characters, set `quoting: none`; if the field is right, `quoting: csv`.",
            )
