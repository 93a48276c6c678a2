"""Selector ``coverage``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components.selector import AdaptiveSelector, Search, SelectionProblem

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray


class Coverage(AdaptiveSelector):
    """Greedy search for unknown unknowns that explain as much of feature space as possible (Bansal and Weld 2018).

    The utility of the examples Q asked so far is ``sum_x c_x * max_{q in Q} 1[q is an unknown unknown] * sim(x, q)`` over all
    examples x with confidence ``c_x`` (thesis eq. 2.2 and 2.3); an unknown unknown beside one already found adds little.
    Asked next is the example with the highest expected gain: its probability of being an unknown unknown times what it
    would add. That probability starts at ``1 - c`` and learns from what came of examples close by (a kernel of half the width).

    ``sim(x, q) = exp(-d^2 / (2 sigma^2))`` with the distance d of the normalised embeddings and half their median distance as
    sigma. Memory: ``n * reference`` float32.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings", "probs"})

    reference: int = Field(default=2000, ge=1)
    """Examples x over which the utility is summed; a random sample when there are more."""
    prior: float = Field(default=1.0, gt=0)
    """How many examples' worth of evidence the starting probability counts for."""
    batch: int = Field(default=8, ge=1)
    """Examples attacked at a time; within a batch each is assumed to explain its surroundings."""

    def search(self, problem: SelectionProblem, *, seed: int) -> Search:
        """Start with nothing explained."""
        import numpy as np

        from harness.selectors.checks import directions, predictions

        points, confidence = directions(problem), predictions(problem).max(axis=1)
        rng = np.random.default_rng(seed)
        reference = np.sort(rng.permutation(len(points))[: self.reference])
        distances = 2 - 2 * points[reference] @ points[reference].T
        width = float(np.median(distances[np.triu_indices(len(reference), k=1)])) / 4 if len(reference) > 1 else 1.0
        return _Explain(points, confidence, reference, max(width, 1e-6), self.prior, self.batch)


class _Explain:
    """The state of one search: what is explained, and how likely each example is an unknown unknown."""

    def __init__(
        self, points: FloatArray, confidence: FloatArray, reference: IntArray, width: float, prior: float, batch: int
    ) -> None:
        import numpy as np

        self._points, self._width, self._batch = points, width, batch
        self._weights = confidence[reference].astype(np.float32)
        self._similar = self._similarity(points, points[reference])
        self._explained = np.zeros(len(reference), dtype=np.float32)
        self._hits = prior * (1 - confidence)
        self._evidence = np.full(len(points), prior)
        self._open = np.ones(len(points), dtype=bool)

    def _similarity(self, rows: FloatArray, columns: FloatArray) -> FloatArray:
        import numpy as np

        squared = np.maximum(2 - 2 * rows @ columns.T, 0)
        similar: FloatArray = np.exp(-squared / (2 * self._width), dtype=np.float32)
        return similar

    def ask(self) -> IntArray:
        import numpy as np

        explained, probable = self._explained.copy(), self._hits / self._evidence
        asked: list[int] = []
        while len(asked) < self._batch and self._open.any():
            gain = np.maximum(self._similar - explained, 0) @ self._weights * probable
            best = int(np.where(self._open, gain, -1.0).argmax())
            asked.append(best)
            self._open[best] = False
            # If it is found to be an unknown unknown, it explains its surroundings; if not, they probably hold none either.
            np.maximum(explained, self._similar[best], out=explained)
        return np.asarray(asked, dtype=np.int64)

    def tell(self, indices: IntArray, found: BoolArray) -> None:
        import numpy as np

        if not len(indices):
            return
        # Only close examples tell of each other: half the width. At the full one, everything unrelated adds up.
        near = self._similarity(self._points, self._points[indices]) ** 4
        self._evidence += near.sum(axis=1)
        self._hits += near @ np.asarray(found, dtype=np.float32)
        for index in indices[np.asarray(found, dtype=bool)]:
            np.maximum(self._explained, self._similar[int(index)], out=self._explained)
