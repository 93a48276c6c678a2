"""Assess a valuator: do its values find wrong labels, and what happens when high or low values are removed?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.valuator import ValuationProblem, Valuator
from harness.stages.base import Configured, Context, Stage
from harness.stages.corrupt import Corrupt
from harness.stages.embed import Embed, embeddings_of
from harness.stages.load import task_of
from harness.stages.value import checked
from harness.store.payload import labels_of, read_arrays, read_examples, write_arrays, write_json
from harness.store.store import Artifact

if TYPE_CHECKING:
    from harness.valuation.judge import AssessedValues, Measured


@dataclass(frozen=True, eq=False)
class Assess(Stage):
    """Values of the corrupted training set, with what they are worth and what they cost."""

    kind: ClassVar[str] = "assess"

    data: Corrupt
    train: Embed
    validation: Embed
    test: Embed
    valuator: Configured[Valuator]
    fractions: tuple[float, ...]
    seed: int

    def options(self) -> dict[str, Any]:
        return {"valuator": self.valuator.identity, "fractions": list(self.fractions), "seed": self.seed}

    def inputs(self) -> dict[str, Stage]:
        return {"data": self.data, "train": self.train, "validation": self.validation, "test": self.test}

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        from harness.records.writer import write_parquet
        from harness.valuation.judge import assess, measure, warm_up

        data = inputs["data"]
        y_train, y_valid, y_test = (
            labels_of(read_examples(data.path(f"{split}.parquet"))) for split in ("train", "validation", "test")
        )
        problem = ValuationProblem(
            embeddings_of(inputs["train"]),
            y_train,
            embeddings_of(inputs["validation"]),
            y_valid,
            num_classes=task_of(data).num_labels,
        )
        noisy = read_arrays(data.path("noisy.safetensors"))["noisy"]
        valuator = self.valuator.component
        warm_up(valuator, problem)
        measured = measure(valuator, problem, seed=self.seed)
        values = checked(measured.values, problem.n_train, self.valuator.entry.key)
        assessed = assess(values, problem, noisy, embeddings_of(inputs["test"]), y_test, fractions=self.fractions)
        write_arrays(out / "values.safetensors", {"values": values})
        write_parquet(assessed.curves, out / "curves.parquet")
        figures = {name: getattr(assessed, name) for name in ("auroc", "f1", "removal_area", "distinct")}
        costs = {"seconds": measured.seconds, "peak_bytes": measured.peak_bytes}
        write_json(out / "assessed.json", {**figures, **costs})


def assessed_of(artifact: Artifact) -> tuple[AssessedValues, Measured]:
    """What an :class:`Assess` stage found."""
    import pandas as pd

    from harness.valuation.judge import AssessedValues, Measured

    found = artifact.json("assessed.json")
    values = read_arrays(artifact.path("values.safetensors"))["values"]
    return (
        AssessedValues(
            found["auroc"],
            found["f1"],
            found["removal_area"],
            pd.read_parquet(artifact.path("curves.parquet")),
            found["distinct"],
        ),
        Measured(values, found["seconds"], found["peak_bytes"]),
    )
