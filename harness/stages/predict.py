"""Predict a split with a fine-tuned classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.model import loaded, probabilities
from harness.components.model import Model
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Probabilities
from harness.stages.contents.base import ExampleSource
from harness.stages.contents.classifier import TrainedClassifier


@dataclass(frozen=True, eq=False)
class Predict(Stage[Probabilities]):
    """``(n, K)`` float32 class probabilities of one split, or of the synthetic examples."""

    kind: ClassVar[str] = "predict"
    gives: ClassVar = Probabilities

    texts: Stage[ExampleSource]
    split: str
    model: Configured[Model]
    classifier: Stage[TrainedClassifier]

    def options(self) -> dict[str, Any]:
        return {"split": self.split, "model": self.model.identity}

    def compute(self, inputs: Inputs, context: Context) -> Probabilities:
        examples = inputs[self.texts].examples(self.split)
        classifier = loaded(inputs[self.classifier], self.model)
        with calling(self.model.entry):
            probs = classifier.predict_proba([example.texts for example in examples])
        what = f"{self.split} examples"
        return Probabilities(probabilities(self.model.entry, probs, what, examples, classifier.num_labels))
