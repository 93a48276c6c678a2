"""Data sets of the Hugging Face hub, and local ones in the formats of the ``datasets`` library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field, model_validator

from harness.datasets.hub import HubSource
from harness.datasets.tables import Table
from harness.datasets.tabular import TabularSource


class HuggingFace(TabularSource):
    """Any data set of the Hugging Face hub, or a local folder that the datasets library can read.

    Needs the extra `huggingface` of bliss-harness. Without a network, what was downloaded before is used.
    """

    api_version: ClassVar[int] = 1

    path: str = Field(min_length=1)
    """Name on the hub (`nyu-mll/glue`), or a local folder: one that `save_to_disk` wrote, or one of data files."""
    config: str | None = None
    """Configuration, where the data set has several (`mrpc`)."""
    revision: str | None = None
    """Branch, tag or commit on the hub; name a commit to make a suite exactly repeatable."""
    train: str = Field(default="train", min_length=1)
    """Split to train on; slices such as `train[:10%]` are allowed."""
    validation: str | None = None
    """Split to validate on; else set `validation_from` and `validation_size`."""
    test: str = Field(default="test", min_length=1)
    """Split to test on; its labels must be public. Not read with `test_from`."""

    @model_validator(mode="after")
    def _one_validation(self) -> HuggingFace:
        if (self.validation is None) == (self.validation_from is None):
            raise ValueError("give exactly one of validation (a split) and validation_from (train or test)")
        return self

    @property
    def _source(self) -> HubSource:
        return HubSource(self.path, self.config, self.revision, self.origin().folders)

    def preflight(self) -> None:
        """Check that the library is installed, and that the data set is here or can be fetched."""
        self._source.check()

    def identity(self) -> dict[str, Any]:
        """The options, with the data set named by its commit on the hub, or by a digest of the local files."""
        options = super().identity()
        del options["revision"]
        return options | {"path": self._source.identity()}

    def _read(self, split: str, columns: Sequence[str]) -> Table | None:
        name = {"train": self.train, "validation": self.validation, "test": self.test}[split]
        return None if name is None else self._source.table(name, columns, split=split)

    def _facts(self) -> dict[str, int | float | str]:
        return {"source": self._source.identity()}
