"""Elicit unknown unknowns: attack training examples in the selector's order until the quota is met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.attack import Attack, AttackResult
from harness.components.example import Example
from harness.components.generator import UnknownUnknown
from harness.components.model import Classifier, Model
from harness.components.probabilities import require_proper
from harness.components.selector import AdaptiveSelector, SelectionProblem, Selector
from harness.errors import HarnessError
from harness.progress import Bar, progress
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings, Probabilities, Values
from harness.stages.contents.attacks import ElicitationCounts, ElicitedUnknowns
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData
from harness.store.payload import as_float32
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
        train = inputs[self.load].train
        embeddings, predictions = inputs.get(self.embeddings), inputs.get(self.predictions)
        values = inputs.get(self.values)
        problem = SelectionProblem(
            train,
            embeddings=None if embeddings is None else embeddings.rows,
            probs=None if predictions is None else predictions.probs,
            values=None if values is None else values.values,
        )
        wanted = quota(self.fraction, len(train))
        victim = inputs[self.classifier].load(self.model.component)
        elicitation = _Elicitation(victim, self.attack, train, wanted, self.threshold, self.attack_seed)
        selector = self.selector.component
        with progress("unknown unknowns", total=wanted) as bar:
            if isinstance(selector, AdaptiveSelector):
                session = selector.search(problem, seed=self.seed)
                while not elicitation.done() and len(batch := session.ask()):
                    hits = elicitation.attack(batch, bar)
                    session.tell(batch[: len(hits)], hits)
            else:
                order = _permutation(selector.order(problem, seed=self.seed), len(train), self.selector.entry.key)
                elicitation.attack(order, bar)
        return ElicitedUnknowns.of(elicitation.found, elicitation.counts())


class _Elicitation:
    """Attacks examples and keeps the confident errors among the results."""

    def __init__(
        self,
        victim: Classifier,
        attack: Configured[Attack],
        train: Sequence[Example],
        wanted: int,
        threshold: float,
        seed: int,
    ) -> None:
        self.victim, self._attack, self.train = victim, attack.component, train
        self._name = attack.entry.key
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
        results = self._attack.attack(self.victim, _Ordered(self.train, indices), seed=self.seed + self.attacked)
        for index, result in zip(indices, results, strict=False):
            self.attacked += 1
            self.queries += result.queries
            self.succeeded += result.status == "succeeded"
            uu = self._judge(int(index), result)
            hits.append(uu is not None)
            if uu is not None:
                self.found.append(uu)
            bar.advance(float(uu is not None), attacked=self.attacked, queries=self.queries)
            if self.done():
                break
        _close(results)
        if not self.done() and len(hits) != len(indices):
            raise HarnessError(f"The attack {self._name} returned {len(hits)} results for {len(indices)} examples.")
        return np.asarray(hits, dtype=bool)

    def _judge(self, index: int, result: AttackResult) -> UnknownUnknown | None:
        import numpy as np

        if result.status != "succeeded":
            return None
        probs = as_float32(result.perturbed_probs)
        if not Predictions.all(np.asarray([self.train[index].label]), probs[None]).uu(self.threshold)[0]:
            return None
        before = as_float32(result.original_probs)
        require_proper(np.stack([before, probs]), "texts of an attack", [self.train[index]] * 2)
        return UnknownUnknown(self.train[index], result.perturbed, before, probs, index, result.queries)


def _close(results: Iterator[AttackResult]) -> None:
    close = getattr(results, "close", None)
    if close is not None:
        close()


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


def _permutation(order: Any, n: int, name: str) -> IntArray:
    import numpy as np

    array: IntArray = np.asarray(order)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or len(np.unique(array)) != len(array):
        raise HarnessError(f"The selector {name} did not return distinct indices.")
    if len(array) and (array.min() < 0 or array.max() >= n):
        raise HarnessError(f"The selector {name} returned indices outside 0..{n - 1}.")
    return array
