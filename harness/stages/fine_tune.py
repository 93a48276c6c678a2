"""Fine-tune the pre-trained model on the original training set, or on an extended one, with or without weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from harness.components.model import Model
from harness.stages.base import Configured, Context, Stage, given
from harness.stages.corrupt import Corrupt
from harness.stages.extend import Extend, synthetic_of
from harness.stages.load import Load, task_of
from harness.stages.value import Value
from harness.store.payload import read_arrays, read_examples
from harness.store.store import Artifact

Normalisation = Literal["none", "mean"]


@dataclass(frozen=True, eq=False)
class FineTune(Stage):
    """A classifier. With ``values`` its loss is weighted by them (WLDV, thesis eq. 3.8)."""

    kind: ClassVar[str] = "fine-tune"

    load: Load | Corrupt
    model: Configured[Model]
    seed: int
    extend: Extend | None = None
    values: Value | None = None
    normalisation: Normalisation = "none"

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"model": self.model.identity, "seed": self.seed}
        if self.values is not None:
            options["normalisation"] = self.normalisation
        return options

    def inputs(self) -> dict[str, Stage]:
        return given(load=self.load, extend=self.extend, values=self.values)

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        import numpy as np

        train = read_examples(inputs["load"].path("train.parquet"))
        if "extend" in inputs:
            train = [*train, *(synthetic.example for synthetic in synthetic_of(inputs["extend"]))]
        # The order in which examples are seen is drawn from the seed, synthetic among original (protocol, step 6).
        order = np.random.default_rng(self.seed).permutation(len(train))
        weights = None
        if "values" in inputs:
            values = read_arrays(inputs["values"].path("values.safetensors"))["values"]
            weights = loss_weights(values, self.normalisation)[order]
        classifier = self.model.component.fine_tune(
            [train[int(i)] for i in order],
            num_labels=task_of(inputs["load"]).num_labels,
            seed=self.seed,
            weights=weights,
        )
        classifier.save(out / "classifier")


def loss_weights(values: Any, normalisation: Normalisation) -> Any:
    """Data values as factors of the loss: never negative, and of mean 1 if so asked.

    Values of methods that know harmful points (Shapley values) are negative for them; a negative factor would make the
    loss unbounded below, so such points get no weight.

    Raises:
        harness.errors.HarnessError: No training point has a positive value.
    """
    import numpy as np

    from harness.errors import HarnessError

    weights = np.clip(np.asarray(values, dtype=np.float64), 0.0, None)
    if not weights.any():
        raise HarnessError(
            "No training example has a positive data value, so there is nothing left to weight the loss by.",
            hint="Use another valuator for `weights`, or more iterations of this one.",
        )
    if normalisation == "mean":
        weights = weights / weights.mean()
    return weights.astype(np.float32)
