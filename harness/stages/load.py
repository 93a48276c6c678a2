"""Load a data set: read it, draw its splits, check it, limit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.components.dataset import DatasetSource
from harness.components.example import Dataset, Task
from harness.stages.base import Configured, Context, Stage
from harness.store.payload import read_examples, write_examples, write_json
from harness.store.store import Artifact

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Load(Stage):
    """The three splits, the task, and a fingerprint of it all."""

    kind: ClassVar[str] = "load"

    name: str
    source: Configured[DatasetSource]
    limits: Mapping[str, int]
    seed: int

    def options(self) -> dict[str, Any]:
        return {"name": self.name, "source": self.source.identity, "limits": dict(self.limits), "seed": self.seed}

    def inputs(self) -> dict[str, Stage]:
        return {}

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        from dataclasses import asdict, replace

        from harness.datasets import check, duplicates, fingerprint, limit

        dataset = self.source.component.load(seed=self.seed)
        dataset = replace(dataset, task=replace(dataset.task, name=self.name))
        if self.limits:
            dataset = limit(dataset, **self.limits, seed=self.seed)
        check(dataset)
        notes = {**dataset.notes, **duplicates(dataset)}
        for split in SPLITS:
            write_examples(out / f"{split}.parquet", getattr(dataset, split))
        sizes = {split: len(getattr(dataset, split)) for split in SPLITS}
        write_json(
            out / "data.json",
            {"task": asdict(dataset.task), "notes": notes, "fingerprint": fingerprint(dataset), "sizes": sizes},
        )


def task_of(load: Artifact) -> Task:
    """The task of a loaded data set."""
    task = load.json("data.json")["task"]
    return Task(task["name"], tuple(task["labels"]), tuple(task["columns"]), task["description"])


def dataset_of(load: Artifact) -> Dataset:
    """A loaded data set."""
    train, validation, test = (read_examples(load.path(f"{split}.parquet")) for split in SPLITS)
    return Dataset(task_of(load), train, validation, test, load.json("data.json")["notes"])
