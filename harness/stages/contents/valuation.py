"""What was found in the end of a valuator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.stages.contents.base import Content
from harness.store.payload import read_arrays, read_json, write_arrays, write_json, write_parquet
from harness.types import FloatArray

if TYPE_CHECKING:
    from harness.valuation.judge import AssessedValues


@dataclass(frozen=True)
class ValuationFindings(Content):
    """A valuator's values of a corrupted training set, and what they are worth.

    Attributes:
        values: ``(n_train,)`` float64.
        assessed: What they are worth.
    """

    values: FloatArray
    assessed: AssessedValues

    def write(self, folder: Path) -> None:
        """The values, the removal curves, and the figures as JSON."""
        write_arrays(folder / "values.safetensors", {"values": self.values})
        write_parquet(self.assessed.curves, folder / "curves.parquet")
        figures = {name: getattr(self.assessed, name) for name in ("auroc", "f1", "removal_area", "distinct")}
        write_json(folder / "assessed.json", figures)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        import pandas as pd

        from harness.valuation.judge import AssessedValues

        curves = pd.read_parquet(folder / "curves.parquet")
        return cls(
            read_arrays(folder / "values.safetensors")["values"],
            AssessedValues(**read_json(folder / "assessed.json"), curves=curves),
        )
