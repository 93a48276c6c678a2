"""Take a classifier that is given, as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.model import classifier, note_bill
from harness.components.model import Model
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData


@dataclass(frozen=True, eq=False)
class Given(Stage[TrainedClassifier]):
    """A classifier that is not trained, its outputs in the order of the task's classes."""

    kind: ClassVar[str] = "given"
    gives: ClassVar = TrainedClassifier

    load: Stage[LoadedData]
    model: Configured[Model]

    def options(self) -> dict[str, Any]:
        return {"model": self.model.identity}

    def compute(self, inputs: Inputs, context: Context) -> TrainedClassifier:
        data = inputs[self.load]
        with calling(self.model.entry):
            model = self.model.component.keeping_answers(context.responses)
            found = model.given(data.task.labels, (*data.validation, *data.test))
        made = classifier(self.model.entry, found)
        context.facts["classes"] = made.said
        note_bill(context, made)
        return TrainedClassifier(made)
