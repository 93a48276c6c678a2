"""Draw the test examples that are attacked, where that is not all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.stages.base import Context, Inputs, Stage
from harness.stages.contents.data import LoadedData, SampledData


@dataclass(frozen=True, eq=False)
class Sample(Stage[SampledData]):
    """A simple random sample of the test set, drawn by seed; the same for every classifier, so that arms stay paired."""

    kind: ClassVar[str] = "sample"
    gives: ClassVar = SampledData

    load: Stage[LoadedData]
    limit: int
    seed: int

    def options(self) -> dict[str, Any]:
        return {"limit": self.limit, "seed": self.seed}

    def compute(self, inputs: Inputs, context: Context) -> SampledData:
        import numpy as np

        data = inputs[self.load]
        size = len(data.test)
        rows = np.sort(np.random.default_rng(self.seed).permutation(size)[: self.limit])
        return SampledData.of_test(data, rows)
