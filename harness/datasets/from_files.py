"""What data sets from files of one's own have in common: how the files are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import field_validator

from harness.components.paths import existing_file
from harness.datasets.class_folders import class_folders_digest
from harness.datasets.readers import read_table
from harness.datasets.separated import Quoting
from harness.datasets.separators import NAMES
from harness.datasets.tables import Table
from harness.datasets.tabular import TabularSource
from harness.disk import known_digest


class FromFiles(TabularSource):
    """Labelled texts in CSV, TSV, JSON lines or Parquet files, or in folders with one folder per class."""

    encoding: str = "utf-8"
    """Encoding of the texts in CSV, TSV, JSON and class folders; those of European spreadsheets are often `cp1252`."""
    separator: str = "auto"
    """Character between the fields of CSV and TSV (`tab` for a tab). `auto`: that of the suffix (comma, tab), or where the
    header does not name the columns by it, the one of comma, semicolon, tab and bar by which it does; that is said."""
    quoting: Quoting = "auto"
    """What quotation marks mean in CSV and TSV: `csv`, they enclose fields; `none`, they are characters like any other; `auto`,
    they enclose fields, but a field that takes in what look like rows is an error."""

    @field_validator("separator")
    @classmethod
    def _one_character(cls, value: str) -> str:
        separator = NAMES.get(value, value)
        if separator != "auto" and (len(separator) != 1 or separator in '"\r\n\0 '):
            raise ValueError("expected one character, such as ';', or tab, or auto")
        return separator

    def identity(self) -> dict[str, Any]:
        """The options; what is `auto` is left out, as from before there was a choice, so that results stay what they are."""
        options = super().identity()
        return {
            name: value for name, value in options.items() if not (name in ("quoting", "separator") and value == "auto")
        }

    def _table(self, path: Path, split: str, columns: Sequence[str]) -> Table:
        separator = None if self.separator == "auto" else self.separator
        return read_table(
            path, split=split, columns=columns, encoding=self.encoding, quoting=self.quoting, separator=separator
        )


def existing(path: Path) -> Path:
    """``path`` itself, if it is a file or a folder.

    Raises:
        DataError: It is neither.
    """
    return path if path.is_dir() else existing_file(path)


def contents_digest(path: Path) -> str:
    """A digest of a file, or of a folder of class folders, that does not depend on where it lies."""
    return class_folders_digest(path) if path.is_dir() else known_digest(existing_file(path))
