"""Flip a known share of the training labels, to see whether data values find them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from harness.stages.base import Context, Inputs, Stage
from harness.stages.contents.data import CorruptedData, LoadedData
from harness.store.payload import labels_of


@dataclass(frozen=True, eq=False)
class LabelNoise(Stage[CorruptedData]):
    """A loaded data set whose training labels are partly wrong, and which of them are."""

    kind: ClassVar[str] = "label-noise"
    gives: ClassVar = CorruptedData

    load: Stage[LoadedData]
    share: float
    seed: int

    def options(self) -> dict[str, Any]:
        return {"share": self.share, "seed": self.seed}

    def compute(self, inputs: Inputs, context: Context) -> CorruptedData:
        from harness.valuation.judge import inject_label_noise

        data = inputs[self.load]
        labels, noisy = inject_label_noise(labels_of(data.train), data.task.num_labels, self.share, seed=self.seed)
        train = [replace(example, label=int(label)) for example, label in zip(data.train, labels, strict=True)]
        splits = {**data.splits, "train": train}
        return CorruptedData(data.task, splits, data.notes, data.fingerprint, data.sizes, data.class_sizes, noisy)
