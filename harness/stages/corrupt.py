"""Flip a known share of the training labels, to see whether data values find them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from harness.stages.base import Context, Stage
from harness.stages.load import Load, task_of
from harness.store.payload import labels_of, read_examples, write_arrays, write_examples
from harness.store.store import Artifact


@dataclass(frozen=True, eq=False)
class Corrupt(Stage):
    """A loaded data set whose training labels are partly wrong, and which of them are."""

    kind: ClassVar[str] = "corrupt"

    load: Load
    share: float
    seed: int

    def options(self) -> dict[str, Any]:
        return {"share": self.share, "seed": self.seed}

    def inputs(self) -> dict[str, Stage]:
        return {"load": self.load}

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        from harness.valuation.judge import inject_label_noise

        load = inputs["load"]
        train = read_examples(load.path("train.parquet"))
        labels, noisy = inject_label_noise(labels_of(train), task_of(load).num_labels, self.share, seed=self.seed)
        write_examples(
            out / "train.parquet",
            [replace(example, label=int(label)) for example, label in zip(train, labels, strict=True)],
        )
        for name in ("validation.parquet", "test.parquet", "data.json"):
            shutil.copyfile(load.path(name), out / name)
        write_arrays(out / "noisy.safetensors", {"noisy": noisy})
