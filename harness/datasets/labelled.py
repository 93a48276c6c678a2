"""One file of labelled texts, all of it a test set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from harness.components.example import Dataset
from harness.datasets.from_files import FromFiles, contents_digest, existing
from harness.datasets.tables import Table


class Labelled(FromFiles):
    """One file of labelled texts (CSV, TSV, JSON lines, Parquet) or a folder of class folders, all of it the test set.

    There is nothing to train on, so it is for classifiers that are given: `harness audit` reads its data by it.
    """

    api_version: ClassVar[int] = 1

    path: str = Field(min_length=1)
    """The file or folder."""

    def preflight(self) -> None:
        """Check that the file is there."""
        self._path()

    def identity(self) -> dict[str, Any]:
        """The options, with the file named by a digest of its contents and not by its path."""
        return {**super().identity(), "path": contents_digest(self._path())}

    def load(self, *, seed: int) -> Dataset:
        """Read the file; see :meth:`harness.components.DatasetSource.load`."""
        return self.test_set(seed)

    def _path(self) -> Path:
        return existing(self.locate(self.path))

    def _read(self, split: str, columns: Sequence[str]) -> Table | None:
        return self._table(self._path(), split, columns) if split == "test" else None
