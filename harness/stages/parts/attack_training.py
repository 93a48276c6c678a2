"""Attack some training examples of which a search wants to know whether they are unknown unknowns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.border.attack import attacked
from harness.border.model import loaded, note_bill
from harness.components.attack import Attack
from harness.components.metric import AttackedTest
from harness.components.model import Model
from harness.progress import progress
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.attacks import AttackedPlaces
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData

if TYPE_CHECKING:
    from harness.types import FloatArray, Texts

Row = tuple[str, "Texts", int, "FloatArray", "FloatArray"]
"""Status, perturbed text, queries, and the probabilities of the original and of the perturbed text."""


@dataclass(frozen=True, eq=False)
class AttackTraining(Stage[AttackedPlaces]):
    """The attack results of the training examples at some places: a part of the search for unknown unknowns.

    An example is attacked under a seed that belongs to its place, so that all who attack it see the same noise. Where its
    result does not depend on the examples attacked beside it either, it is taken from what others attacked before.
    """

    kind: ClassVar[str] = "attack-training"
    gives: ClassVar = AttackedPlaces

    load: Stage[LoadedData]
    model: Configured[Model]
    classifier: Stage[TrainedClassifier]
    attack: Configured[Attack]
    seed: int
    """The example at place ``i`` is attacked under ``seed + i``."""
    places: tuple[int, ...]

    @property
    def is_part(self) -> bool:
        return True

    @property
    def memory(self) -> int:
        return self.model.component.memory(training=False)

    def options(self) -> dict[str, Any]:
        return {
            "model": self.model.identity,
            "attack": self.attack.identity,
            "seed": self.seed,
            "places": list(self.places),
        }

    @property
    def family(self) -> str:
        """Whatever attacks the same classifier in the same way."""
        common = {**self.identity, "options": {**self.options(), "places": None}}
        return hashlib.sha256(json.dumps(common, sort_keys=True).encode()).hexdigest()[:24]

    def compute(self, inputs: Inputs, context: Context) -> AttackedPlaces:
        import numpy as np

        data = inputs[self.load]
        victim = loaded(inputs[self.classifier], self.model, context, keep=True)
        rows: dict[int, Row] = self._known(context) if victim.batch_invariant else {}
        todo = [place for place in self.places if place not in rows]
        examples, seeds = [data.train[place] for place in todo], [self.seed + place for place in todo]
        results = attacked(self.attack, victim, examples, num_labels=data.task.num_labels, seeds=seeds)
        with progress("training examples", total=len(todo)) as bar:
            for place, result in zip(todo, results, strict=True):
                rows[place] = (
                    str(result.status),
                    result.perturbed,
                    result.queries,
                    result.original_probs,
                    result.perturbed_probs,
                )
                bar.advance(1)
        note_bill(context, victim)
        status, perturbed, queries, original, probs = zip(*(rows[place] for place in self.places), strict=True)
        found = AttackedTest(list(status), list(perturbed), np.stack(probs), np.asarray(queries, dtype=np.int64))
        return AttackedPlaces(self.places, found, np.stack(original))

    def _known(self, context: Context) -> dict[int, Row]:
        """What others found out about the same places."""
        wanted, known = set(self.places), dict[int, Row]()
        for artifact in context.related(self):
            content = AttackedPlaces.read(artifact.folder)
            results = content.results
            for row, place in enumerate(content.places):
                if place in wanted:
                    known[place] = (
                        results.status[row],
                        results.perturbed[row],
                        int(results.queries[row]),
                        content.original_probs[row],
                        results.probs[row],
                    )
        return known
