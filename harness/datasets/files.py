"""Data sets from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from harness.components.paths import existing_file
from harness.datasets.readers import read_table
from harness.datasets.separated import Quoting
from harness.datasets.tables import Table
from harness.datasets.tabular import TabularSource
from harness.disk import known_digest


class Files(TabularSource):
    """Any labelled texts in CSV, TSV, JSON lines or Parquet files, one file per split.

    Paths may hold `~` and environment variables. Relative ones start at `folder`, else at the folder of the suite file, else
    at the current directory.
    """

    api_version: ClassVar[int] = 1

    folder: str | None = None
    """Folder that the files lie in."""
    train: str = Field(min_length=1)
    """File of the training set."""
    validation: str | None = None
    """File of the validation set; else set `validation_from` and `validation_size`."""
    test: str = Field(min_length=1)
    """File of the test set."""
    encoding: str = "utf-8"
    """Encoding of CSV, TSV and JSON lines."""
    quoting: Quoting = "auto"
    """What quotation marks mean in CSV and TSV: `csv`, they enclose fields; `none`, they are characters like any other; `auto`,
    they enclose fields, but a field that takes in what look like rows is an error."""

    @model_validator(mode="after")
    def _one_validation(self) -> Files:
        if (self.validation is None) == (self.validation_from is None):
            raise ValueError("give exactly one of validation (a file) and validation_from (train or test)")
        return self

    def preflight(self) -> None:
        """Check that the files are there."""
        for path in self._paths().values():
            existing_file(path)

    def identity(self) -> dict[str, Any]:
        """The options, with the files named by digests of their contents and not by their paths."""
        options = super().identity()
        for name in ("folder", "train", "validation", "test"):
            del options[name]
        if self.quoting == "auto":  # as from before there was a choice, so that results stay what they are
            del options["quoting"]
        return options | {split: known_digest(existing_file(path)) for split, path in self._paths().items()}

    def _paths(self) -> dict[str, Path]:
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: self.locate(path, self.folder) for split, path in named.items() if path is not None}

    def _read(self, split: str, columns: Sequence[str]) -> Table | None:
        path = self._paths().get(split)
        if path is None:
            return None
        return read_table(path, split=split, columns=columns, encoding=self.encoding, quoting=self.quoting)
