"""Predict a split with a fine-tuned classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.components.model import Model
from harness.components.probabilities import require_proper
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Probabilities
from harness.stages.contents.base import ExampleSource
from harness.stages.contents.classifier import TrainedClassifier
from harness.store.payload import as_float32


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
        classifier = inputs[self.classifier].load(self.model.component)
        probs = as_float32(classifier.predict_proba([example.texts for example in examples]))
        require_proper(probs, f"{self.split} examples", examples)
        return Probabilities(probs)
