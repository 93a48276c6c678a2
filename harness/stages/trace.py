"""Fine-tune as the stage `fine-tune` does, and keep what training passes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.trajectory import trajectory
from harness.components.trajectory import TracedModel
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.data import LoadedData, SyntheticData
from harness.stages.contents.trajectory import TracedTraining


@dataclass(frozen=True, eq=False)
class Trace(Stage[TracedTraining]):
    """The trajectory of the classifier that the same model, data and seed give, extended examples after the original ones."""

    kind: ClassVar[str] = "trace"
    gives: ClassVar = TracedTraining

    load: Stage[LoadedData]
    model: Configured[TracedModel]
    seed: int
    every: int | None = None
    extend: Stage[SyntheticData] | None = None

    @property
    def memory(self) -> int:
        return self.model.component.memory(training=True)

    def options(self) -> dict[str, Any]:
        return {"model": self.model.identity, "seed": self.seed, "every": self.every}

    def compute(self, inputs: Inputs, context: Context) -> TracedTraining:
        import numpy as np

        data, extension = inputs[self.load], inputs.get(self.extend)
        train = [*data.train, *(extension.examples() if extension is not None else ())]
        order = np.random.default_rng(self.seed).permutation(len(train))  # as fine-tuning draws it
        with calling(self.model.entry):
            found = self.model.component.trace(
                tuple(train[int(i)] for i in order),
                tuple(data.validation),
                num_labels=data.task.num_labels,
                seed=self.seed,
                labels=data.task.labels,
                every=self.every,
            )
        made = trajectory(self.model.entry, found, len(train), len(data.validation), data.task.num_labels)
        return TracedTraining(made.taking(np.argsort(order)))
