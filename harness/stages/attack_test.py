"""Attack the whole test set with a fine-tuned classifier as the victim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.attack import attacked
from harness.border.model import loaded
from harness.components.attack import Attack
from harness.components.metric import AttackedTest
from harness.components.model import Model
from harness.progress import progress
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.attacks import AttackedExamples
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData


@dataclass(frozen=True, eq=False)
class AttackTest(Stage[AttackedExamples]):
    """One attack result per test example, in test order (protocol, step 9)."""

    kind: ClassVar[str] = "attack"
    gives: ClassVar = AttackedExamples

    load: Stage[LoadedData]
    model: Configured[Model]
    classifier: Stage[TrainedClassifier]
    attack: Configured[Attack]
    seed: int

    def options(self) -> dict[str, Any]:
        return {"model": self.model.identity, "attack": self.attack.identity, "seed": self.seed}

    def compute(self, inputs: Inputs, context: Context) -> AttackedExamples:
        import numpy as np

        test = inputs[self.load].test
        victim = loaded(inputs[self.classifier], self.model)
        num_labels, results = inputs[self.load].task.num_labels, []
        succeeded = 0
        with progress("test examples", total=len(test)) as bar:
            for result in attacked(self.attack, victim, tuple(test), num_labels=num_labels, seed=self.seed):
                results.append(result)
                succeeded += result.status == "succeeded"
                bar.advance(1, succeeded=succeeded)
        found = AttackedTest(
            [str(result.status) for result in results],
            [result.perturbed for result in results],
            np.stack([result.perturbed_probs for result in results]),
            np.asarray([result.queries for result in results], dtype=np.int64),
        )
        return AttackedExamples(found, [result.note for result in results])
