"""Greedy word replacement in the order of word importance: the search of DeepWordBug and TextFooler in TextAttack.

Source: Jin et al. 2020 (TextFooler), algorithm 1; Gao et al. 2018 (DeepWordBug), section III, for the rankings by
replacing, and by temporal scores. Results agree with TextAttack 0.3.11's ``GreedyWordSwapWIR``, ties included.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness_attacks.passage import Passage

if TYPE_CHECKING:
    from harness.types import FloatArray, Texts
    from harness_attacks.trial import Steps, Trial

Ranking = Literal["unk", "delete", "combined"]
Columns = Literal["both", "first", "second"]

UNKNOWN = "[UNK]"


class Candidate(NamedTuple):
    """A replacement for one word: the texts that it gives, and how similar they are to the original (higher is better)."""

    word: str
    parts: tuple[str, ...]
    similarity: float | None = None

    @property
    def texts(self) -> Texts:
        """The text or pair as a classifier takes it."""
        return self.parts[0] if len(self.parts) == 1 else (self.parts[0], self.parts[1])

    @property
    def joined(self) -> str:
        """What candidates are told apart and sorted by."""
        return "\n".join(self.parts)


Propose = Callable[[Passage, int], Sequence[Candidate]]
"""The admissible replacements of word ``i`` of a passage, distinct, sorted by :attr:`Candidate.joined`."""


def modifiable(passage: Passage, stopwords: frozenset[str], columns: Columns) -> list[int]:
    """Numbers of the words that may be replaced: no stop words, none of the other column.

    The order is that of the intersected sets, as in TextAttack: it decides between equally important words.
    """
    everything = set(range(len(passage.words)))
    chosen = everything & everything
    chosen = chosen & {i for i, word in enumerate(passage.words) if word not in stopwords}
    if columns != "both" and len(passage.parts) == 2:
        part = 0 if columns == "first" else 1
        chosen = chosen & {i for i in range(len(passage.words)) if passage.part_of(i) == part}
    return list(chosen)


def rank(
    trial: Trial, passage: Passage, indices: list[int], ranking: Ranking, tail_weight: float
) -> Generator[list[Texts], FloatArray, list[int]]:
    """Order words by importance, the most important first.

    ``unk`` and ``delete`` score a word by ``1 - p(label)`` without it. ``combined`` is ``THS + tail_weight * TTS``: how
    much ``p(label)`` grows when the word is appended to what precedes it, and prepended to what follows it.
    """
    import numpy as np

    if ranking == "combined":
        scores = yield from _temporal(trial, passage, indices, tail_weight)
    else:
        without = passage.delete if ranking == "delete" else lambda i: passage.replace(i, UNKNOWN)
        rows = yield from trial.ask(Candidate("", without(i)).texts for i in indices)
        scores = [trial.score(row) for row in rows]
    return [indices[i] for i in (-np.array(scores, dtype=np.float64)).argsort()]


def _temporal(
    trial: Trial, passage: Passage, indices: list[int], tail_weight: float
) -> Generator[list[Texts], FloatArray, list[float]]:
    def cut(index: int, side: Literal["head", "tail"], *, keep: bool) -> Texts:
        number = passage.part_of(index)
        start, end = passage.span(index)
        part = passage.parts[number]
        head, tail = part[: end if keep else start], part[start if keep else end :]
        piece = head if side == "head" else tail
        return Candidate("", (*passage.parts[:number], piece, *passage.parts[number + 1 :])).texts

    def queries() -> Iterator[Texts]:
        for index in indices:
            yield cut(index, "head", keep=True)
            yield cut(index, "head", keep=False)
            yield cut(index, "tail", keep=True)
            yield cut(index, "tail", keep=False)

    rows = yield from trial.ask(queries())
    p = [float(row[trial.example.label]) for row in rows]
    return [(p[k] - p[k + 1]) + tail_weight * (p[k + 2] - p[k + 3]) for k in range(0, len(p) - len(p) % 4, 4)]


def search(
    trial: Trial,
    propose: Propose,
    *,
    stopwords: frozenset[str],
    columns: Columns,
    ranking: Ranking,
    tail_weight: float = 1.0,
) -> Steps:
    """Replace words one after the other, keeping a replacement that lowers ``p(label)``, until the prediction is wrong.

    Of several replacements that fool the classifier the most similar one is returned where similarities are known, else
    the one with the lowest ``p(label)``.
    """
    passage = Passage.of(trial.example.texts)
    score = trial.score(trial.original_probs)
    order = yield from rank(trial, passage, modifiable(passage, stopwords, columns), ranking, tail_weight)
    for index in order:
        if trial.exhausted:
            return
        if not _free(passage, index, stopwords, columns):
            continue
        candidates = propose(passage, index)
        if not candidates:
            continue
        rows = yield from trial.ask(candidate.texts for candidate in candidates)
        results = sorted(zip(candidates, rows, strict=False), key=lambda result: -trial.score(result[1]))
        (best, probs), *_ = results
        if trial.score(probs) <= score:
            continue
        score = trial.score(probs)
        if trial.fooled(probs):
            best, probs = _most_similar(trial, results)
            trial.keep(best.texts, probs)
            return
        trial.keep(best.texts, probs)
        passage = passage.changed(index, best.word)


def _free(passage: Passage, index: int, stopwords: frozenset[str], columns: Columns) -> bool:
    """Whether a word may (still) be replaced: earlier replacements may have changed it, or the number of words."""
    if index >= len(passage.words) or index in passage.modified or passage.words[index] in stopwords:
        return False
    return columns == "both" or len(passage.parts) == 1 or passage.part_of(index) == (0 if columns == "first" else 1)


def _most_similar(trial: Trial, results: list[tuple[Candidate, FloatArray]]) -> tuple[Candidate, FloatArray]:
    chosen, highest = results[0], float("-inf")
    for candidate, probs in results:
        if candidate.similarity is None or not trial.fooled(probs):
            break
        if candidate.similarity > highest:
            chosen, highest = (candidate, probs), candidate.similarity
    return chosen
