"""Load a data set: read it, draw its splits, check it, limit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from harness.border.dataset import read
from harness.components.dataset import DatasetSource
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.data import LoadedData


@dataclass(frozen=True, eq=False)
class Load(Stage[LoadedData]):
    """The three splits, the task, and a fingerprint of it all."""

    kind: ClassVar[str] = "load"
    gives: ClassVar = LoadedData

    name: str
    source: Configured[DatasetSource]
    limits: Mapping[str, int]
    seed: int

    def options(self) -> dict[str, Any]:
        return {"name": self.name, "source": self.source.identity, "limits": dict(self.limits), "seed": self.seed}

    def compute(self, inputs: Inputs, context: Context) -> LoadedData:
        from harness.datasets import check, duplicates, fingerprint, limit

        dataset = read(self.source, seed=self.seed)
        dataset = replace(dataset, task=replace(dataset.task, name=self.name))
        if self.limits:
            dataset = limit(dataset, **self.limits, seed=self.seed)
        check(dataset)
        return LoadedData.of(replace(dataset, notes={**dataset.notes, **duplicates(dataset)}), fingerprint(dataset))
