"""Predict a split with a fine-tuned classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.model import loaded, note_bill, probabilities
from harness.components.model import Model
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Probabilities
from harness.stages.contents.base import ExampleSource
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.parts.cutting import CHARACTERS, Rows, cuts, reading_costs, rows_option, titled


@dataclass(frozen=True, eq=False)
class Predict(Stage[Probabilities]):
    """``(n, K)`` float32 class probabilities of one split, or of the synthetic examples."""

    kind: ClassVar[str] = "predict"
    gives: ClassVar = Probabilities

    texts: Stage[ExampleSource]
    split: str
    model: Configured[Model]
    classifier: Stage[TrainedClassifier]
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

    def compute(self, inputs: Inputs, context: Context) -> Probabilities:
        import numpy as np

        examples = inputs[self.texts].examples(self.split)
        if self.rows is not None:
            examples = examples[slice(*self.rows)]
        elif len(pieces := cuts(reading_costs(examples), most_cost=CHARACTERS)) > 1:
            parts = [replace(self, title=title, rows=rows) for title, rows in titled(self.title, pieces)]
            return Probabilities(np.concatenate([part.probs for part in inputs.parts(parts)]))
        classifier = loaded(inputs[self.classifier], self.model, context, keep=self.is_part)
        with calling(self.model.entry):
            probs = classifier.predict_proba([example.texts for example in examples])
        note_bill(context, classifier)
        what = f"{self.split} examples"
        return Probabilities(probabilities(self.model.entry, probs, what, examples, classifier.num_labels))
