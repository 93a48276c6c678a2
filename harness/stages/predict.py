"""Predict a split with a fine-tuned classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.components.model import Model
from harness.components.probabilities import require_proper
from harness.stages.base import Configured, Context, Stage
from harness.stages.extend import Extend, synthetic_of
from harness.stages.fine_tune import FineTune
from harness.stages.load import Load
from harness.store.payload import as_float32, read_arrays, read_examples, write_arrays
from harness.store.store import Artifact
from harness.types import FloatArray


@dataclass(frozen=True, eq=False)
class Predict(Stage):
    """``(n, K)`` float32 class probabilities of one split, or of the synthetic examples."""

    kind: ClassVar[str] = "predict"

    texts: Load | Extend
    split: str
    model: Configured[Model]
    classifier: FineTune

    def options(self) -> dict[str, Any]:
        return {"split": self.split, "model": self.model.identity}

    def inputs(self) -> dict[str, Stage]:
        return {"texts": self.texts, "classifier": self.classifier}

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        if self.split == "synthetic":
            examples = [synthetic.example for synthetic in synthetic_of(inputs["texts"])]
        else:
            examples = read_examples(inputs["texts"].path(f"{self.split}.parquet"))
        classifier = self.model.component.load(inputs["classifier"].path("classifier"))
        probs = as_float32(classifier.predict_proba([example.texts for example in examples]))
        require_proper(probs, f"{self.split} examples", examples)
        write_arrays(out / "probs.safetensors", {"probs": probs})


def probs_of(artifact: Artifact) -> FloatArray:
    """The probabilities of a :class:`Predict` stage."""
    return read_arrays(artifact.path("probs.safetensors"))["probs"]
