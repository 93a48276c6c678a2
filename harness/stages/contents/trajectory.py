"""What fine-tuning passed through, on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from harness.components.trajectory import Trajectory
from harness.stages.contents.base import Content
from harness.stages.contents.classifier import TrainedClassifier
from harness.store.payload import read_arrays, read_json, write_arrays, write_json

ARRAYS = (
    "train_logits",
    "train_features",
    "valid_logits",
    "valid_features",
    "steps",
    "batches",
    "learning_rates",
)
"""Arrays that are always there."""

SEEN = (
    "passing_logits",
    "passing_features",
    "glance_rows",
    "glance_logits",
    "glance_features",
    "products",
    "train_gradients",
    "valid_gradients",
)
"""Arrays that are there if they were asked for."""


@dataclass(frozen=True)
class TracedTraining(Content):
    """The trajectory of one fine-tuning, its training points in the order of the data; with its classifier where it is kept."""

    trajectory: Trajectory
    classifier: TrainedClassifier | None = None
    said: str = ""
    """What the classifier says of its classes."""

    def write(self, folder: Path) -> None:
        """The arrays as safetensors, the number of epochs as JSON, and the classifier as its model writes it."""
        arrays = {name: array for name in (*ARRAYS, *SEEN) if (array := getattr(self.trajectory, name)) is not None}
        write_arrays(folder / "trajectory.safetensors", arrays)
        write_json(folder / "trajectory.json", {"epochs": self.trajectory.epochs, "said": self.said})
        if self.classifier is not None:
            self.classifier.write(folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        arrays = read_arrays(folder / "trajectory.safetensors")
        notes = read_json(folder / "trajectory.json")
        classifier = TrainedClassifier.read(folder) if (folder / "classifier").is_dir() else None
        fields: dict[str, Any] = {name: arrays[name] for name in ARRAYS} | {name: arrays.get(name) for name in SEEN}
        return cls(Trajectory(**fields, epochs=notes["epochs"]), classifier, notes["said"])
