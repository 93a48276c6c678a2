"""Decide which synthetic examples may be trained on: none that nearly repeats a validation or test example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.components.generator import Rejected
from harness.stages.base import Context, Inputs, Stage
from harness.stages.contents.data import LoadedData, SyntheticData


@dataclass(frozen=True, eq=False)
class Extend(Stage[SyntheticData]):
    """The synthetic examples that extend the training set, and all that were rejected on the way."""

    kind: ClassVar[str] = "extend"
    gives: ClassVar = SyntheticData

    load: Stage[LoadedData]
    generate: Stage[SyntheticData]
    leakage: float | None

    def options(self) -> dict[str, Any]:
        return {"leakage": self.leakage}

    def compute(self, inputs: Inputs, context: Context) -> SyntheticData:
        from harness.datasets.leakage import leaks

        made = inputs[self.generate]
        if self.leakage is None:
            return made
        data = inputs[self.load]
        held_out = [example.texts for examples in (data.validation, data.test) for example in examples]
        leaked = leaks([item.example.texts for item in made.synthetic], held_out, threshold=self.leakage)
        marked = list(zip(made.synthetic, leaked, strict=True))
        refused = [Rejected(item.uu, item.role, "leakage", item.example.text) for item, leak in marked if leak]
        return SyntheticData([item for item, leak in marked if not leak], [*made.rejected, *refused])
