"""What was found in the end of a valuator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.stages.contents.base import Content
from harness.store.payload import as_float32, read_arrays, read_json, write_arrays, write_json, write_parquet
from harness.types import FloatArray

if TYPE_CHECKING:
    from harness.valuation.judge import AssessedValues


@dataclass(frozen=True)
class ValuationFindings(Content):
    """A valuator's values of a corrupted training set, and what they are worth.

    Attributes:
        values: ``(n_train,)`` float64.
        assessed: What they are worth.
        attributions: ``(n_train, n_valid)`` float32, what points do for single validation points; ``None`` where that was not
            asked for or the method cannot tell.
    """

    values: FloatArray
    assessed: AssessedValues
    attributions: FloatArray | None = None

    def write(self, folder: Path) -> None:
        """The values, the removal curves, and the figures as JSON."""
        more = {} if self.attributions is None else {"attributions": as_float32(self.attributions)}
        write_arrays(folder / "values.safetensors", {"values": self.values, **more})
        write_parquet(self.assessed.curves, folder / "curves.parquet")
        figures = {name: getattr(self.assessed, name) for name in ("auroc", "f1", "removal_area", "distinct")}
        write_json(folder / "assessed.json", figures)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        import pandas as pd

        from harness.valuation.judge import AssessedValues

        curves = pd.read_parquet(folder / "curves.parquet")
        arrays = read_arrays(folder / "values.safetensors")
        assessed = AssessedValues(**read_json(folder / "assessed.json"), curves=curves)
        return cls(arrays["values"], assessed, arrays.get("attributions"))
