"""Implementation of :class:`harness_generators.retrieve_edit.RetrieveEdit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.components import GenerationTask, Rejected, SyntheticExample, UnknownUnknown
from harness.seeds import derive_seed
from harness.types import Texts
from harness_generators.edits import CHARACTER_KINDS, Edit, find_edits, respell, transplant
from harness_generators.evidence import Evidence
from harness_generators.neighbours import nearest
from harness_generators.texts import as_example, as_texts, as_tuple, fold, is_word, tokens


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edited neighbour: which neighbour (training index), its new text, and the words that were edited."""

    source: int
    texts: Texts
    words: tuple[str, ...]


class Retriever:
    """Neighbours of all unknown unknowns, found once; then candidates and choice, one unknown unknown at a time."""

    def __init__(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, neighbours: int, max_edited: float
    ) -> None:
        self.uus, self.task, self.max_edited = uus, task, max_edited
        self.evidence = Evidence(task.train, task.task.num_labels)
        labels = np.asarray([example.label for example in task.train])
        folded = [fold(example.texts) for example in task.train]

        def admits(position: int, row: int) -> bool:
            uu = uus[position]
            return row != uu.index and folded[row] not in (fold(uu.example.texts), fold(uu.perturbed))

        self.rows = nearest(
            np.asarray(task.embed([uu.perturbed for uu in uus])),
            task.train_embeddings,
            neighbours,
            allowed=lambda position: labels == uus[position].example.label,
            admits=admits,
        )

    def write(self, position: int, seed: int) -> Iterator[SyntheticExample | Rejected]:
        """The samples of one unknown unknown."""
        uu, classifier = self.uus[position], self.task.classifier
        label = uu.example.label
        rng = np.random.default_rng(derive_seed(seed, "retrieve-edit", position))
        originals, perturbed = as_tuple(uu.example.texts), as_tuple(uu.perturbed)
        edits = [find_edits(a, b) for a, b in zip(originals, perturbed, strict=True)]
        kind = _other_kind(edits)
        pools = {
            "exploit": [self._exploit(row, edits, label) for row in self.rows[position]],
            "explore": [self._explore(row, edits, label, kind, rng) for row in self.rows[position]],
        }
        ranked: dict[str, list[Candidate]] = {}
        for role, pool in pools.items():
            candidates = [candidate for candidate in pool if candidate is not None]
            probs = classifier.predict_proba([candidate.texts for candidate in candidates])
            ranked[role] = [candidates[int(i)] for i in np.argsort(probs[:, label], kind="stable")]
        used: set[int] = set()
        for turn in range(self.task.per_uu):
            role = ("exploit", "explore")[turn % 2]
            best = next((candidate for candidate in ranked[role] if candidate.source not in used), None)
            if best is None:
                yield Rejected(position, role, "no edit applies")
                continue
            used.add(best.source)
            yield SyntheticExample(
                as_example(best.texts, label), position, role, self._hypothesis(role, best, edits, kind, label)
            )

    def _exploit(self, row: int, edits: list[list[Edit]], label: int) -> Candidate | None:
        return self._edited(
            row, [transplant(c, e, self._speaks_for(label)) if e else (c, []) for c, e in self._pairs(row, edits)]
        )

    def _explore(
        self, row: int, edits: list[list[Edit]], label: int, kind: str, rng: np.random.Generator
    ) -> Candidate | None:
        done = []
        for column, column_edits in self._pairs(row, edits):
            limit = max(1, int(self.max_edited * sum(is_word(token) for token in tokens(column))))
            count = min(len(column_edits), limit)
            done.append(respell(column, kind, count, self._speaks_for(label), rng))
        return self._edited(row, done)

    def _pairs(self, row: int, edits: list[list[Edit]]) -> Iterator[tuple[str, list[Edit]]]:
        return zip(as_tuple(self.task.train[row].texts), edits, strict=True)

    def _edited(self, row: int, done: list[tuple[str, list[str]]]) -> Candidate | None:
        words = tuple(word for _, edited in done for word in edited)
        return Candidate(row, as_texts(tuple(text for text, _ in done)), words) if words else None

    def _speaks_for(self, label: int) -> Callable[[str], float]:
        return lambda word: self.evidence.score(word, label)

    def _hypothesis(self, role: str, best: Candidate, edits: list[list[Edit]], kind: str, label: int) -> str:
        name = self.task.task.labels[label]
        if role == "exploit":
            done = ", ".join(f"{e.old.strip()} -> {e.new.strip()}" for column in edits for e in column)
            return f"The classifier misses {name!r} once words are changed like this: {done}."
        words = ", ".join(dict.fromkeys(best.words))
        return (
            f"The classifier may also miss {name!r} when words that speak for it ({words}) suffer another edit: {kind}."
        )


def _other_kind(edits: list[list[Edit]]) -> str:
    """The character edit that a perturbation used least; ties in the order of :data:`CHARACTER_KINDS`."""
    used = Counter(edit.kind for column in edits for edit in column)
    return min(CHARACTER_KINDS, key=lambda kind: used[kind])
