"""Contract of selectors: in which order training examples are attacked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from harness.components.base import Component
from harness.components.example import Example

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class SelectionProblem:
    """What is known about the training set when the order is chosen.

    Attributes:
        train: Training examples.
        embeddings: ``(n_train, d)`` float32 embeddings; ``None`` unless the selector's ``needs`` names ``"embeddings"``.
        probs: ``(n_train, K)`` probabilities by the base classifier; ``None`` unless ``needs`` names ``"probs"``.
        values: ``(n_train,)`` data values; ``None`` unless ``needs`` names ``"values"``.
    """

    train: Sequence[Example]
    embeddings: FloatArray | None = None
    probs: FloatArray | None = None
    values: FloatArray | None = None


class Selector(Component):
    """An order of the training examples: the first are attacked first."""

    kind: ClassVar[str] = "selector"

    needs: ClassVar[frozenset[str]] = frozenset()
    """What the runner has to compute first, of :attr:`offered`."""

    offered: ClassVar[frozenset[str]] = frozenset({"embeddings", "probs", "values"})
    """What :attr:`needs` may name."""

    @abstractmethod
    def order(self, problem: SelectionProblem, *, seed: int) -> IntArray:
        """Indices into the training set, best first: ``(m,)`` distinct integers with ``m <= n_train``."""


class Search(Protocol):
    """A running adaptive search: asks for examples, is told which of them were unknown unknowns."""

    def ask(self) -> IntArray:
        """The next training indices to attack (a few, never one asked before); empty when there are no more."""

    def tell(self, indices: IntArray, found: BoolArray) -> None:
        """What came of them: ``found[i]`` says whether attacking ``indices[i]`` gave an unknown unknown."""


class AdaptiveSelector(Selector):
    """A selector that learns from what the attack found so far (a bandit)."""

    @abstractmethod
    def search(self, problem: SelectionProblem, *, seed: int) -> Search:
        """Start a search over the training set."""

    def order(self, problem: SelectionProblem, *, seed: int) -> IntArray:
        """The order the search would take if it never found anything."""
        import numpy as np

        search, parts = self.search(problem, seed=seed), [np.zeros(0, dtype=np.int64)]
        while len(batch := search.ask()):
            parts.append(np.asarray(batch, dtype=np.int64))
            search.tell(batch, np.zeros(len(batch), dtype=bool))
        return np.concatenate(parts)
