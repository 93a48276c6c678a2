"""One file of labelled texts, all of it a test set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from harness.components.example import Dataset
from harness.components.paths import existing_file
from harness.datasets.readers import read_table
from harness.datasets.separated import Quoting
from harness.datasets.tables import Table
from harness.datasets.tabular import TabularSource
from harness.disk import known_digest


class Labelled(TabularSource):
    """One file of labelled texts (CSV, TSV, JSON lines, Parquet), all of it the test set.

    There is nothing to train on, so it is for classifiers that are given: `harness audit` reads its data by it.
    """

    api_version: ClassVar[int] = 1

    path: str = Field(min_length=1)
    """The file."""
    encoding: str = "utf-8"
    """Encoding of CSV, TSV and JSON lines."""
    quoting: Quoting = "auto"
    """What quotation marks mean in CSV and TSV; as of `files`."""

    def preflight(self) -> None:
        """Check that the file is there."""
        self._file()

    def identity(self) -> dict[str, Any]:
        """The options, with the file named by a digest of its contents and not by its path."""
        return {**super().identity(), "path": known_digest(self._file())}

    def load(self, *, seed: int) -> Dataset:
        """Read the file; see :meth:`harness.components.DatasetSource.load`."""
        return self.test_set(seed)

    def _file(self) -> Path:
        return existing_file(self.locate(self.path))

    def _read(self, split: str, columns: Sequence[str]) -> Table | None:
        if split != "test":
            return None
        return read_table(self._file(), split=split, columns=columns, encoding=self.encoding, quoting=self.quoting)
