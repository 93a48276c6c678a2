"""Fine-tune as the stage `fine-tune` does, and keep what training passes through."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.trajectory import trajectory
from harness.components.trajectory import Looks, TracedModel
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData, SyntheticData
from harness.stages.contents.trajectory import TracedTraining


@dataclass(frozen=True, eq=False)
class Trace(Stage[TracedTraining]):
    """The trajectory of the classifier that the same model, data and seed give, extended examples after the original ones.

    ``among`` is the same training, of which others want to see other things as well: what is wanted here is taken from it. With
    ``keep`` the classifier is there too, so that nobody has to train it again.
    """

    kind: ClassVar[str] = "trace"
    instead: ClassVar[frozenset[str]] = frozenset({"among"})
    gives: ClassVar = TracedTraining

    load: Stage[LoadedData]
    model: Configured[TracedModel]
    seed: int
    looks: Looks
    extend: Stage[SyntheticData] | None = None
    among: Stage[TracedTraining] | None = None
    keep: bool = False

    @property
    def memory(self) -> int:
        return self.model.component.memory(training=True)

    def options(self) -> dict[str, Any]:
        kept = {"keep": True} if self.keep else {}
        return {"model": self.model.identity, "seed": self.seed, "looks": asdict(self.looks), **kept}

    def compute(self, inputs: Inputs, context: Context) -> TracedTraining:
        import numpy as np

        if self.among is not None:
            return TracedTraining(inputs[self.among].trajectory.narrowed(self.looks))
        data, extension = inputs[self.load], inputs.get(self.extend)
        train = [*data.train, *(extension.examples() if extension is not None else ())]
        order = np.random.default_rng(self.seed).permutation(len(train))  # as fine-tuning draws it
        with calling(self.model.entry):
            found = self.model.component.trace(
                tuple(train[int(i)] for i in order),
                tuple(data.validation),
                num_labels=data.task.num_labels,
                seed=self.seed,
                looks=self.looks,
                unfinished=context.unfinished,
                labels=data.task.labels,
            )
        made, seen = trajectory(
            self.model.entry, found, self.looks, len(train), len(data.validation), data.task.num_labels
        )
        context.facts["classes"] = made.said
        return TracedTraining(seen.taking(np.argsort(order)), TrainedClassifier(made) if self.keep else None, made.said)
