"""Elicit unknown unknowns: attack training examples in the selector's order until the quota is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.border.attack import attacked
from harness.border.calls import calling
from harness.border.frozen import frozen
from harness.border.model import loaded
from harness.border.selector import CheckedSearch, distinct_indices
from harness.components.attack import Attack, AttackResult
from harness.components.example import Example
from harness.components.generator import UnknownUnknown
from harness.components.model import Classifier, Model
from harness.components.selector import AdaptiveSelector, SelectionProblem, Selector
from harness.progress import Bar, progress
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings, Probabilities, Values
from harness.stages.contents.attacks import ElicitationCounts, ElicitedUnknowns
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData
from harness.unknowns import Predictions, quota

if TYPE_CHECKING:
    from harness.types import IntArray


@dataclass(frozen=True, eq=False)
class Elicit(Stage[ElicitedUnknowns]):
    """Unknown unknowns at the primary threshold, in the order found (protocol, step 5)."""

    kind: ClassVar[str] = "elicit"
    gives: ClassVar = ElicitedUnknowns

    load: Stage[LoadedData]
    model: Configured[Model]
    classifier: Stage[TrainedClassifier]
    attack: Configured[Attack]
    selector: Configured[Selector]
    fraction: float
    threshold: float
    seed: int
    attack_seed: int
    values: Stage[Values] | None = None
    embeddings: Stage[Embeddings] | None = None
    predictions: Stage[Probabilities] | None = None

    def options(self) -> dict[str, Any]:
        return {
            "model": self.model.identity,
            "attack": self.attack.identity,
            "selector": self.selector.identity,
            "fraction": self.fraction,
            "threshold": self.threshold,
            "seed": self.seed,
            "attack_seed": self.attack_seed,
        }

    def compute(self, inputs: Inputs, context: Context) -> ElicitedUnknowns:
        data = inputs[self.load]
        train = data.train
        embeddings, predictions = inputs.get(self.embeddings), inputs.get(self.predictions)
        values = inputs.get(self.values)
        problem = frozen(
            SelectionProblem(
                train,
                embeddings=None if embeddings is None else embeddings.rows,
                probs=None if predictions is None else predictions.probs,
                values=None if values is None else values.values,
            )
        )
        wanted = quota(self.fraction, len(train))
        victim = loaded(inputs[self.classifier], self.model)
        elicitation = _Elicitation(victim, self.attack, data, wanted, self.threshold, self.attack_seed)
        selector = self.selector.component
        with progress("unknown unknowns", total=wanted) as bar:
            if isinstance(selector, AdaptiveSelector):
                with calling(self.selector.entry):
                    session = selector.search(problem, seed=self.seed)
                checked = CheckedSearch(self.selector.entry, session, len(train))
                while not elicitation.done() and len(batch := checked.ask()):
                    hits = elicitation.attack(batch, bar)
                    checked.tell(batch[: len(hits)], hits)
            else:
                with calling(self.selector.entry):
                    order = selector.order(problem, seed=self.seed)
                elicitation.attack(distinct_indices(self.selector.entry, order, len(train)), bar)
        return ElicitedUnknowns.of(elicitation.found, elicitation.counts())


class _Elicitation:
    """Attacks examples and keeps the confident errors among the results."""

    def __init__(
        self,
        victim: Classifier,
        attack: Configured[Attack],
        data: LoadedData,
        wanted: int,
        threshold: float,
        seed: int,
    ) -> None:
        self.victim, self._attack, self.train = victim, attack, data.train
        self._num_labels = data.task.num_labels
        self.wanted, self.threshold, self.seed = wanted, threshold, seed
        self.found: list[UnknownUnknown] = []
        self.attacked = self.succeeded = self.queries = 0

    def done(self) -> bool:
        return len(self.found) >= self.wanted

    def counts(self) -> ElicitationCounts:
        return ElicitationCounts(
            self.attacked, self.succeeded, self.queries, len(self.found), self.wanted, len(self.train)
        )

    def attack(self, indices: IntArray, bar: Bar) -> Any:
        """Attack in order, stopping at the quota; which of those attacked were unknown unknowns, as bools."""
        import numpy as np

        hits: list[bool] = []
        if self.done():
            return np.zeros(0, dtype=bool)
        examples, seed = _Ordered(self.train, indices), self.seed + self.attacked
        results = attacked(self._attack, self.victim, examples, num_labels=self._num_labels, seed=seed)
        for result in results:
            index = int(indices[len(hits)])
            self.attacked += 1
            self.queries += result.queries
            self.succeeded += result.status == "succeeded"
            uu = self._judge(index, result)
            hits.append(uu is not None)
            if uu is not None:
                self.found.append(uu)
            bar.advance(float(uu is not None), attacked=self.attacked, queries=self.queries)
            if self.done():
                break
        results.close()
        return np.asarray(hits, dtype=bool)

    def _judge(self, index: int, result: AttackResult) -> UnknownUnknown | None:
        import numpy as np

        if result.status != "succeeded":
            return None
        example, probs = self.train[index], result.perturbed_probs
        if not Predictions.all(np.asarray([example.label]), probs[None]).uu(self.threshold)[0]:
            return None
        return UnknownUnknown(example, result.perturbed, result.original_probs, probs, index, result.queries)


class _Ordered(Sequence[Example]):
    """Examples in a given order, without copying them."""

    def __init__(self, examples: Sequence[Example], order: IntArray) -> None:
        self._examples, self._order = examples, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return _Ordered(self._examples, self._order[position])
        return self._examples[int(self._order[position])]
