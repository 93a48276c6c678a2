"""One example under attack: what it asks the classifier, and the best attempt so far."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from harness.components import AttackStatus, Example

if TYPE_CHECKING:
    import numpy as np

    from harness.types import FloatArray, Texts

Steps: TypeAlias = "Generator[list[Texts], FloatArray, None]"
"""A search as a coroutine: it yields texts to be classified and is sent their ``(n, K)`` probabilities."""

CHUNK_TEXTS = 256
CHUNK_CHARACTERS = 2_000_000
"""How much a search hands over at once; longer lists are asked for piece by piece, so that memory stays bounded."""


class Trial:
    """The state of the attack on one example.

    Args:
        example: The example, already checked.
        seed: Seeds :attr:`random` and :attr:`numpy_random`, which draw what ``random`` and ``numpy.random`` would draw
            after being seeded with it.
        max_queries: Query budget, at least 1; ``None`` for no limit.

    Attributes:
        example: As given.
        queries: Texts asked about so far, repetitions included: the number that TextAttack reports.
        original_probs: ``(K,)`` probabilities of the original.
        best: The text or pair that the attack would return now.
        best_probs: ``(K,)`` its probabilities.
        status: How the attack ended; ``None`` until then, and when it follows from ``best_probs``.
        note: Why the attack ended early; empty otherwise.
    """

    original_probs: FloatArray
    best_probs: FloatArray

    def __init__(self, example: Example, seed: int, max_queries: int | None = None) -> None:
        self.example = example
        self.seed = seed
        self.max_queries = max_queries
        self.queries = 0
        self.best: Texts = example.texts
        self.status: AttackStatus | None = None
        self.note = ""

    @cached_property
    def random(self) -> random.Random:
        """What the module ``random`` is after ``random.seed(seed)``."""
        return random.Random(self.seed)

    @cached_property
    def numpy_random(self) -> np.random.RandomState:
        """What ``numpy.random`` is after ``numpy.random.seed(seed)``."""
        import numpy as np

        return np.random.RandomState(self.seed % 2**32)

    @property
    def ready(self) -> bool:
        """Whether the original has been classified, so that there is something to return."""
        return hasattr(self, "best_probs")

    @property
    def exhausted(self) -> bool:
        """Whether the query budget is used up; nothing may be asked then."""
        return self.queries == self.max_queries

    def score(self, probs: FloatArray) -> float:
        """How far the attack got: ``1 - p(label)``, in the float32 arithmetic of TextAttack's goal function."""
        return float(1 - probs[self.example.label])

    def fooled(self, probs: FloatArray) -> bool:
        """Whether the prediction is wrong."""
        return int(probs.argmax()) != self.example.label

    def keep(self, texts: Texts, probs: FloatArray) -> None:
        """Make this the attempt to return."""
        self.best, self.best_probs = texts, probs

    def ask(self, texts: Iterable[Texts]) -> Generator[list[Texts], FloatArray, list[FloatArray]]:
        """Classify texts, as far as the budget goes.

        Returns:
            One ``(K,)`` array per text, in order; fewer than there are texts when the budget ends.
        """
        left = None if self.max_queries is None else self.max_queries - self.queries
        rows: list[FloatArray] = []
        for chunk in _chunks(islice(texts, left)):
            self.queries += len(chunk)
            rows.extend((yield chunk))
        if self.exhausted:
            self.note = "query limit"
        return rows

    def run(self, search: Callable[[Trial], Steps]) -> Steps:
        """The whole attack: classify the original, and search if it is classified right."""
        (probs,) = yield from self.ask([self.example.texts])
        self.original_probs = probs
        self.keep(self.example.texts, probs)
        if self.fooled(probs):
            self.status, self.note = AttackStatus.SKIPPED, ""
            return
        yield from search(self)


def _chunks(texts: Iterator[Texts]) -> Iterator[list[Texts]]:
    chunk: list[Texts] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text) if isinstance(text, str) else len(text[0]) + len(text[1])
        if len(chunk) == CHUNK_TEXTS or size >= CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
