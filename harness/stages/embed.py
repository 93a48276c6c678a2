"""Embed texts with the pre-trained encoder, or with the base classifier's fine-tuned one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.components.model import Model
from harness.stages.base import Configured, Context, Stage, given
from harness.stages.corrupt import Corrupt
from harness.stages.extend import Extend, synthetic_of
from harness.stages.fine_tune import FineTune
from harness.stages.load import Load
from harness.store.payload import as_float32, read_arrays, read_examples, write_arrays
from harness.store.store import Artifact
from harness.types import FloatArray


@dataclass(frozen=True, eq=False)
class Embed(Stage):
    """``(n, d)`` float32 embeddings of one split, or of the synthetic examples."""

    kind: ClassVar[str] = "embed"

    texts: Load | Corrupt | Extend
    split: str
    model: Configured[Model]
    classifier: FineTune | None = None

    def options(self) -> dict[str, Any]:
        return {"split": self.split, "model": self.model.identity}

    def inputs(self) -> dict[str, Stage]:
        return given(texts=self.texts, classifier=self.classifier)

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        if self.split == "synthetic":
            examples = [synthetic.example for synthetic in synthetic_of(inputs["texts"])]
        else:
            examples = read_examples(inputs["texts"].path(f"{self.split}.parquet"))
        texts = [example.texts for example in examples]
        model = self.model.component
        if "classifier" in inputs:
            embeddings = model.load(inputs["classifier"].path("classifier")).embed(texts)
        else:
            embeddings = model.embed(texts)
        write_arrays(out / "embeddings.safetensors", {"embeddings": as_float32(embeddings)})


def embeddings_of(artifact: Artifact) -> FloatArray:
    """The embeddings of an :class:`Embed` stage."""
    return read_arrays(artifact.path("embeddings.safetensors"))["embeddings"]
