"""Attack the whole test set with a fine-tuned classifier as the victim."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from harness.border.attack import attacked
from harness.border.model import loaded, note_bill
from harness.components.attack import Attack
from harness.components.metric import AttackedTest
from harness.components.model import Model
from harness.progress import progress
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.attacks import AttackedExamples
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData
from harness.stages.parts.cutting import ATTACKED, SQUARED_WORDS, Rows, attack_costs, cuts, rows_option, titled


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
    """The example in row ``i`` of the test set is attacked under ``seed + i``."""
    rows: Rows | None = None
    """Of a part, the examples that it is about."""

    @property
    def is_part(self) -> bool:
        return self.rows is not None

    @property
    def memory(self) -> int:
        return self.model.component.memory(training=False)

    def options(self) -> dict[str, Any]:
        return {
            "model": self.model.identity,
            "attack": self.attack.identity,
            "seed": self.seed,
            **rows_option(self.rows),
        }

    def compute(self, inputs: Inputs, context: Context) -> AttackedExamples:
        import numpy as np

        data = inputs[self.load]
        test, first = tuple(data.test), 0
        if self.rows is not None:
            test, first = test[slice(*self.rows)], self.rows[0]
        elif len(pieces := cuts(attack_costs(test), most_cost=SQUARED_WORDS, most=ATTACKED)) > 1:
            parts = [replace(self, title=title, rows=rows) for title, rows in titled(self.title, pieces)]
            return AttackedExamples.joined(inputs.parts(parts))
        victim = loaded(inputs[self.classifier], self.model, context, keep=self.is_part)
        num_labels, results = data.task.num_labels, []
        succeeded = 0
        seeds = range(self.seed + first, self.seed + first + len(test))
        with progress("test examples", total=len(test)) as bar:
            for result in attacked(self.attack, victim, test, num_labels=num_labels, seeds=seeds):
                results.append(result)
                succeeded += result.status == "succeeded"
                bar.advance(1, succeeded=succeeded)
        note_bill(context, victim)
        found = AttackedTest(
            [str(result.status) for result in results],
            [result.perturbed for result in results],
            np.stack([result.perturbed_probs for result in results]),
            np.asarray([result.queries for result in results], dtype=np.int64),
        )
        return AttackedExamples(found, [result.note for result in results])
