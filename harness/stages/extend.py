"""Decide which synthetic examples may be trained on: none that nearly repeats a validation or test example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.generator import Rejected, SyntheticExample
from harness.stages.base import Context, Stage
from harness.store.payload import read_examples
from harness.store.store import Artifact

if TYPE_CHECKING:
    from harness.stages.generate import Generate
    from harness.stages.load import Load


@dataclass(frozen=True, eq=False)
class Extend(Stage):
    """The synthetic examples that extend the training set, and all that were rejected on the way."""

    kind: ClassVar[str] = "extend"

    load: Load
    generate: Generate
    leakage: float | None

    def options(self) -> dict[str, Any]:
        return {"leakage": self.leakage}

    def inputs(self) -> dict[str, Stage]:
        return {"load": self.load, "generate": self.generate}

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        from harness.datasets.leakage import leaks
        from harness.stages.generate import rejected_of, write_rejected, write_synthetic

        made, rejected = synthetic_of(inputs["generate"]), rejected_of(inputs["generate"])
        if self.leakage is None:
            write_synthetic(out, made)
            write_rejected(out, rejected)
            return
        held_out = [
            example.texts
            for split in ("validation", "test")
            for example in read_examples(inputs["load"].path(f"{split}.parquet"))
        ]
        leaked = leaks([item.example.texts for item in made], held_out, threshold=self.leakage)
        kept = [item for item, leak in zip(made, leaked, strict=True) if not leak]
        write_synthetic(out, kept)
        refused = [
            Rejected(item.uu, item.role, "leakage", item.example.text)
            for item, leak in zip(made, leaked, strict=True)
            if leak
        ]
        write_rejected(out, [*rejected, *refused])


def synthetic_of(artifact: Artifact) -> list[SyntheticExample]:
    """The synthetic examples of an :class:`Extend` stage."""
    from harness.stages.generate import synthetic_of as read

    return read(artifact)
