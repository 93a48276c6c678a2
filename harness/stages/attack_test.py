"""Attack the whole test set with a fine-tuned classifier as the victim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.components.attack import Attack
from harness.components.metric import AttackedTest
from harness.components.model import Model
from harness.components.probabilities import require_proper
from harness.errors import HarnessError
from harness.progress import progress
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.attacks import AttackedExamples
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData
from harness.store.payload import as_float32


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
        victim = inputs[self.classifier].load(self.model.component)
        status, perturbed, queries, notes = [], [], [], []
        probs, succeeded = [], 0
        with progress("test examples", total=len(test)) as bar:
            for result in self.attack.component.attack(victim, test, seed=self.seed):
                status.append(str(result.status))
                perturbed.append(result.perturbed)
                queries.append(result.queries)
                notes.append(result.note)
                probs.append(as_float32(result.perturbed_probs))
                succeeded += result.status == "succeeded"
                bar.advance(1, succeeded=succeeded)
        if len(status) != len(test):
            raise HarnessError(
                f"The attack {self.attack.entry.key} returned {len(status)} results for {len(test)} test examples."
            )
        stacked = np.stack(probs)
        require_proper(stacked, "attacked test examples", test)
        return AttackedExamples(AttackedTest(status, perturbed, stacked, np.asarray(queries, dtype=np.int64)), notes)
