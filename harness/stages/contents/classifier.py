"""A fine-tuned classifier."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.components.model import Classifier, Model
from harness.stages.contents.base import Content


@dataclass(frozen=True)
class TrainedClassifier(Content):
    """A classifier: itself, or the folder in which it lies, which only its model can read."""

    source: Classifier | Path

    def load(self, model: Model) -> Classifier:
        """The classifier, read back by the model that it was made with."""
        return model.load(self.source) if isinstance(self.source, Path) else self.source

    def write(self, folder: Path) -> None:
        """A folder ``classifier`` in the form that the model chooses."""
        if isinstance(self.source, Path):
            shutil.copytree(self.source, folder / "classifier")
        else:
            self.source.save(folder / "classifier")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Where :meth:`write` wrote it; nothing is loaded before :meth:`load`."""
        return cls(folder / "classifier")
