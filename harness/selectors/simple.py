"""Selectors ``random``, ``highest``, ``lowest``, ``stratified`` and ``uncertain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from harness.components.selector import SelectionProblem, Selector
from harness.selectors.checks import ascending, predictions, values

if TYPE_CHECKING:
    from harness.types import IntArray


class Random(Selector):
    """Training examples in random order (IBS; Lippmann, Spaan and Yang 2024)."""

    api_version: ClassVar[int] = 1

    def order(self, problem: SelectionProblem, *, seed: int) -> IntArray:
        """A random permutation."""
        import numpy as np

        return np.random.default_rng(seed).permutation(len(problem.train))


class Highest(Selector):
    """Training examples by data value, highest first (BLISS; Chen 2024); equal values in random order."""

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"values"})

    def order(self, problem: SelectionProblem, *, seed: int) -> IntArray:
        """Indices by descending value."""
        return ascending(-values(problem), seed)


class Lowest(Selector):
    """Training examples by data value, lowest first; equal values in random order."""

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"values"})

    def order(self, problem: SelectionProblem, *, seed: int) -> IntArray:
        """Indices by ascending value."""
        return ascending(values(problem), seed)


class Stratified(Selector):
    """Random order in which the classes take turns, so that every beginning of it holds them in fixed shares."""

    api_version: ClassVar[int] = 1

    shares: Literal["proportional", "equal"] = "proportional"
    """Shares of the classes: as in the training set, or equal for as long as there are examples of each."""

    def order(self, problem: SelectionProblem, *, seed: int) -> IntArray:
        """Indices with the classes interleaved."""
        import numpy as np

        rng = np.random.default_rng(seed)
        labels = np.asarray([example.label for example in problem.train], dtype=np.int64)
        turns = np.zeros(len(labels))
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            places = rng.permutation(len(members)) + 0.5
            turns[members] = places / len(members) if self.shares == "proportional" else places
        return ascending(turns, seed)


class Uncertain(Selector):
    """Training examples by how unsure the base classifier is of them, least sure first (Lewis and Gale 1994)."""

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"probs"})

    measure: Literal["margin", "confidence", "entropy"] = "margin"
    """``margin``: difference of the two highest probabilities (Scheffer et al. 2001); ``confidence``: the highest one;
    ``entropy`` of all. With two classes they order alike."""

    def order(self, problem: SelectionProblem, *, seed: int) -> IntArray:
        """Indices by ascending certainty."""
        import numpy as np

        probs = predictions(problem)
        if self.measure == "entropy":
            certainty = (probs * np.log(np.maximum(probs, np.finfo(np.float64).tiny))).sum(axis=1)
        else:
            ranked = np.sort(probs, axis=1)
            certainty = ranked[:, -1] - (ranked[:, -2] if self.measure == "margin" else 0.0)
        return ascending(certainty, seed)
