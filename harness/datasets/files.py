"""Data sets from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from harness.datasets.from_files import FromFiles, contents_digest, existing
from harness.datasets.tables import Table


class Files(FromFiles):
    """Any labelled texts in CSV, TSV, JSON lines or Parquet files, or in folders with one folder per class.

    There is a file (or folder) for each split, or one that is split by the seed (`test_from`, `validation_from`).

    Paths may hold `~` and environment variables. Relative ones start at `folder`, else at the folder of the suite file, else
    at the current directory.
    """

    api_version: ClassVar[int] = 1

    folder: str | None = None
    """Folder that the files lie in."""
    train: str = Field(min_length=1)
    """File of the training set, or folder of class folders."""
    validation: str | None = None
    """File (or folder) of the validation set; else set `validation_from` and `validation_size`."""
    test: str | None = None
    """File (or folder) of the test set; else set `test_from` and `test_size`."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Files:
        if (self.validation is None) == (self.validation_from is None):
            raise ValueError("give exactly one of validation (a file) and validation_from (train or test)")
        if (self.test is None) == (self.test_from is None):
            raise ValueError("give exactly one of test (a file) and test_from (train)")
        return self

    def preflight(self) -> None:
        """Check that the files are there."""
        for path in self._paths().values():
            existing(path)

    def identity(self) -> dict[str, Any]:
        """The options, with the files named by digests of their contents and not by their paths."""
        options = super().identity()
        for name in ("folder", "train", "validation", "test"):
            del options[name]
        return options | {split: contents_digest(path) for split, path in self._paths().items()}

    def _paths(self) -> dict[str, Path]:
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: self.locate(path, self.folder) for split, path in named.items() if path is not None}

    def _read(self, split: str, columns: Sequence[str]) -> Table | None:
        path = self._paths().get(split)
        return None if path is None else self._table(path, split, columns)
