"""Elicit unknown unknowns: attack training examples in the selector's order until the quota is met."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.border.calls import calling
from harness.border.selector import CheckedSearch
from harness.components.attack import Attack
from harness.components.generator import UnknownUnknown
from harness.components.model import Model
from harness.components.selector import AdaptiveSelector, Selector
from harness.progress import Bar, progress
from harness.stages.base import Configured, Context, Inputs, PartsWanted, Stage
from harness.stages.contents.arrays import Embeddings, Probabilities, Values
from harness.stages.contents.attacks import AttackedPlaces, ElicitationCounts, ElicitedUnknowns
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData
from harness.stages.parts.attack_training import AttackTraining
from harness.stages.parts.cutting import ELICITED, SQUARED_WORDS, attack_costs, cuts
from harness.stages.parts.select import Knowledge, Select
from harness.unknowns import Predictions, quota

if TYPE_CHECKING:
    from harness.types import IntArray

AHEAD = 8
"""Parts that are wanted at a time, at most."""


@dataclass(frozen=True, eq=False)
class Elicit(Stage[ElicitedUnknowns]):
    """Unknown unknowns at the primary threshold, in the order found (protocol, step 5).

    The examples are attacked in parts, several at a time; what they give is looked at one example after the other, and what
    comes after the one that meets the quota is left out. So the result is that of a search that attacks one at a time.
    """

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
        search = _Search(data, quota(self.fraction, len(data.train)), self.threshold)
        adaptive = isinstance(self.selector.component, AdaptiveSelector)
        with progress("unknown unknowns", total=search.wanted) as bar:
            (self._asking if adaptive else self._in_order)(inputs, search, bar)
        return ElicitedUnknowns.of(search.found, search.counts())

    def _in_order(self, inputs: Inputs, search: _Search, bar: Bar) -> None:
        """Attack in the order that the selector gives at once."""
        title = self.title.replace("elicit", "select", 1)
        select = Select(title, self.load, self.selector, self.seed, self.values, self.embeddings, self.predictions)
        order = inputs.part(select).places
        costs = attack_costs([search.train[int(place)] for place in order])
        pieces = [order[piece.start : piece.stop] for piece in cuts(costs, most_cost=SQUARED_WORDS, most=ELICITED)]
        at = 0
        while at < len(pieces) and not search.done():
            # How many are wanted at a time follows from what was found up to here alone: it is the same after a kill.
            parts = [self._part(piece) for piece in pieces[at : at + search.parts_to_go()]]
            attacked = [inputs.found(part) for part in parts]
            if missing := [part for part, found in zip(parts, attacked, strict=True) if found is None]:
                raise PartsWanted(missing)
            for found in filter(None, attacked):
                search.look(found, bar)
            at += len(parts)

    def _asking(self, inputs: Inputs, search: _Search, bar: Bar) -> None:
        """Attack what the selector asks for, tell it what was found, and so on: one part after the other."""
        import numpy as np

        problem = Knowledge(self.load, self.values, self.embeddings, self.predictions).problem(inputs)
        selector, entry = self.selector.component, self.selector.entry
        assert isinstance(selector, AdaptiveSelector)  # noqa: S101 - the caller has looked
        with calling(entry):
            session = selector.search(problem, seed=self.seed)
        checked = CheckedSearch(entry, session, len(search.train))
        while not search.done() and len(batch := checked.ask()):
            hits: list[bool] = []
            for piece in cuts(
                attack_costs([search.train[int(i)] for i in batch]), most_cost=SQUARED_WORDS, most=ELICITED
            ):
                if not search.done():
                    hits += search.look(inputs.part(self._part(batch[piece.start : piece.stop])), bar)
            checked.tell(batch[: len(hits)], np.asarray(hits, dtype=bool))

    def _part(self, places: IntArray) -> AttackTraining:
        at = tuple(int(place) for place in places)
        named = f"examples {', '.join(map(str, at[:3]))}{' …' if len(at) > 3 else ''}"
        title = f"{self.title.replace('elicit', 'attack training', 1)} · {named}"
        return AttackTraining(title, self.load, self.model, self.classifier, self.attack, self.attack_seed, at)


class _Search:
    """Keeps the confident errors among attack results, until there are enough."""

    def __init__(self, data: LoadedData, wanted: int, threshold: float) -> None:
        self.train = data.train
        self.wanted, self._threshold = wanted, threshold
        self.found: list[UnknownUnknown] = []
        self._attacked = self._succeeded = self._queries = 0

    def done(self) -> bool:
        return len(self.found) >= self.wanted

    def parts_to_go(self) -> int:
        """How many more parts the quota takes, from what was found so far (at first, half of the attacks are taken to do)."""
        rate = (len(self.found) + 1) / (self._attacked + 2)
        return min(AHEAD, max(1, math.ceil((self.wanted - len(self.found)) / rate / ELICITED)))

    def counts(self) -> ElicitationCounts:
        return ElicitationCounts(
            self._attacked, self._succeeded, self._queries, len(self.found), self.wanted, len(self.train)
        )

    def look(self, attacked: AttackedPlaces, bar: Bar) -> list[bool]:
        """Take in results up to the one that meets the quota; which of them were unknown unknowns."""
        import numpy as np

        results, hits = attacked.results, list[bool]()
        for row, place in enumerate(attacked.places):
            if self.done():
                break
            example, probs, queries = self.train[place], results.probs[row], int(results.queries[row])
            succeeded = results.status[row] == "succeeded"
            hit = succeeded and bool(Predictions.all(np.asarray([example.label]), probs[None]).uu(self._threshold)[0])
            if hit:
                text, original = results.perturbed[row], attacked.original_probs[row]
                self.found.append(UnknownUnknown(example, text, original, probs, place, queries))
            hits.append(hit)
            self._attacked += 1
            self._queries += queries
            self._succeeded += succeeded
            bar.advance(float(hit), attacked=self._attacked, queries=self._queries)
        return hits
