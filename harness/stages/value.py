"""Value the training set, original or extended, by what it does for the validation set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.valuator import ValuationProblem, Valuator
from harness.errors import HarnessError
from harness.stages.base import Configured, Context, Stage, given
from harness.stages.extend import Extend, synthetic_of
from harness.stages.load import Load, task_of
from harness.store.payload import labels_of, read_arrays, read_examples, write_arrays
from harness.store.store import Artifact
from harness.types import FloatArray

if TYPE_CHECKING:
    from harness.stages.embed import Embed


@dataclass(frozen=True, eq=False)
class Value(Stage):
    """``(n_train [+ n_synthetic],)`` data values, original examples first."""

    kind: ClassVar[str] = "value"

    load: Load
    train: Embed
    validation: Embed
    valuator: Configured[Valuator]
    seed: int
    extend: Extend | None = None
    synthetic: Embed | None = None

    def options(self) -> dict[str, Any]:
        return {"valuator": self.valuator.identity, "seed": self.seed}

    def inputs(self) -> dict[str, Stage]:
        return given(
            load=self.load, train=self.train, validation=self.validation, extend=self.extend, synthetic=self.synthetic
        )

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        import numpy as np

        from harness.stages.embed import embeddings_of

        load = inputs["load"]
        x, y = embeddings_of(inputs["train"]), labels_of(read_examples(load.path("train.parquet")))
        if "extend" in inputs:
            added = [synthetic.example for synthetic in synthetic_of(inputs["extend"])]
            x = np.concatenate([x, embeddings_of(inputs["synthetic"]).reshape(-1, x.shape[1])])
            y = np.concatenate([y, labels_of(added)])
        problem = ValuationProblem(
            x,
            y,
            embeddings_of(inputs["validation"]),
            labels_of(read_examples(load.path("validation.parquet"))),
            num_classes=task_of(load).num_labels,
        )
        values = checked(self.valuator.component.value(problem, seed=self.seed), len(y), self.valuator.entry.key)
        write_arrays(out / "values.safetensors", {"values": values})


def checked(values: Any, n: int, name: str) -> FloatArray:
    """Values as ``(n,)`` float64, or an error that names the valuator which broke its contract."""
    import numpy as np

    array: FloatArray = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        raise HarnessError(f"The valuator {name} returned an array of shape {array.shape} for {n} training examples.")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise HarnessError(f"The valuator {name} returned {bad} values of {n} that are NaN or infinite.")
    return array


def values_of(artifact: Artifact) -> FloatArray:
    """The values of a :class:`Value` stage."""
    return read_arrays(artifact.path("values.safetensors"))["values"]
