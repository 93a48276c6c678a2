"""What every artifact's content can do: write itself into a folder, and read itself back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from harness.components.example import Example


class Content(ABC):
    """What one artifact holds.

    The same content gives the same bytes: nothing in it depends on when, where or how fast it was computed. Such facts go
    to the manifest (:attr:`harness.stages.base.Context.facts`).
    """

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write it into an empty folder: parquet, safetensors and JSON, never pickle."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""


class ExampleSource(Content):
    """A content that has examples."""

    @abstractmethod
    def examples(self, split: str) -> Sequence[Example]:
        """The examples of a split: ``"train"``, ``"validation"`` and ``"test"`` of a data set, else ``"synthetic"``."""
