"""Embed texts with the pre-trained encoder, or with the base classifier's fine-tuned one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.model import embeddings, loaded
from harness.components.model import Model
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings
from harness.stages.contents.base import ExampleSource
from harness.stages.contents.classifier import TrainedClassifier


@dataclass(frozen=True, eq=False)
class Embed(Stage[Embeddings]):
    """``(n, d)`` float32 embeddings of one split, or of the synthetic examples."""

    kind: ClassVar[str] = "embed"
    gives: ClassVar = Embeddings

    texts: Stage[ExampleSource]
    split: str
    model: Configured[Model]
    classifier: Stage[TrainedClassifier] | None = None

    def options(self) -> dict[str, Any]:
        return {"split": self.split, "model": self.model.identity}

    def compute(self, inputs: Inputs, context: Context) -> Embeddings:
        texts = [example.texts for example in inputs[self.texts].examples(self.split)]
        trained = inputs.get(self.classifier)
        encoder = self.model.component if trained is None else loaded(trained, self.model)
        with calling(self.model.entry):
            rows = encoder.embed(texts)
        return Embeddings(embeddings(self.model.entry, rows, len(texts)))
