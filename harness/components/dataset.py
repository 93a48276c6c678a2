"""Contract of data sets."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from harness.components.base import Component
from harness.components.example import Dataset


class DatasetSource(Component):
    """A source of labelled texts, split into train, validation and test."""

    kind: ClassVar[str] = "dataset"

    def class_names(self) -> tuple[str, ...]:
        """The class names by index where the options state them; empty where only the data does."""
        return ()

    def fetch(self) -> str:
        """Read the data once, which downloads and prepares it; see :meth:`harness.components.base.Component.fetch`."""
        self.preflight()
        data = self.load(seed=0)
        return f"{len(data.train):,} training and {len(data.test):,} test examples"

    @abstractmethod
    def load(self, *, seed: int) -> Dataset:
        """Read the data and draw the splits and limits that are drawn at random.

        Args:
            seed: Decides everything random about the splits.

        Returns:
            The data set. Ids must be unique within a split and must not depend on the seed: the same row of the source has
            the same id in every repetition. ``task.name`` may be empty; the runner fills in the suite's name.

        Raises:
            harness.errors.DataError: A file, column, split or label is not as it should be.
        """
