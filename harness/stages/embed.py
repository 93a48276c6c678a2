"""Embed texts with the pre-trained encoder, or with the base classifier's fine-tuned one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.model import embeddings, loaded
from harness.components.model import Model
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings
from harness.stages.contents.base import ExampleSource
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.parts.cutting import CHARACTERS, Rows, cuts, reading_costs, rows_option, titled


@dataclass(frozen=True, eq=False)
class Embed(Stage[Embeddings]):
    """``(n, d)`` float32 embeddings of one split, or of the synthetic examples."""

    kind: ClassVar[str] = "embed"
    gives: ClassVar = Embeddings

    texts: Stage[ExampleSource]
    split: str
    model: Configured[Model]
    classifier: Stage[TrainedClassifier] | None = None
    rows: Rows | None = None
    """Of a part, the examples that it is about."""

    @property
    def is_part(self) -> bool:
        return self.rows is not None

    @property
    def memory(self) -> int:
        return self.model.component.memory(training=False)

    def options(self) -> dict[str, Any]:
        return {"split": self.split, "model": self.model.identity, **rows_option(self.rows)}

    def compute(self, inputs: Inputs, context: Context) -> Embeddings:
        import numpy as np

        examples = inputs[self.texts].examples(self.split)
        if self.rows is not None:
            examples = examples[slice(*self.rows)]
        elif len(pieces := cuts(reading_costs(examples), most_cost=CHARACTERS)) > 1:
            parts = [replace(self, title=title, rows=rows) for title, rows in titled(self.title, pieces)]
            return Embeddings(np.concatenate([part.rows for part in inputs.parts(parts)]))
        texts = [example.texts for example in examples]
        trained = inputs.get(self.classifier)
        encoder = self.model.component if trained is None else loaded(trained, self.model, context, keep=self.is_part)
        with calling(self.model.entry):
            rows = encoder.embed(texts)
        return Embeddings(embeddings(self.model.entry, rows, len(texts)))
