"""Selector ``diverse``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components.selector import SelectionProblem, Selector

if TYPE_CHECKING:
    from harness.types import IntArray


class Diverse(Selector):
    """Cover feature space: each next example is the one farthest from all before it.

    Farthest-first traversal (Gonzalez 1985; the k-center greedy of Sener and Savarese 2018) from a random start, by cosine
    distance of the encoder's embeddings. Costs ``O(share * n^2 * d)`` time and ``O(n)`` memory beside the embeddings.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    share: float = Field(default=0.2, gt=0, le=1)
    """Share of the training set that is ordered this way; the rest follows in random order. About 5 % of the training set
    is attacked in practice."""

    def order(self, problem: SelectionProblem, *, seed: int) -> IntArray:
        """Indices, farthest first."""
        import numpy as np

        from harness.selectors.checks import directions

        points, rng = directions(problem), np.random.default_rng(seed)
        n = len(points)
        shuffled = rng.permutation(n)
        chosen: list[int] = []
        # Similarity to the nearest one chosen; below any cosine at first, so that the start is the first of `shuffled`.
        nearest = np.full(n, -2.0, dtype=np.float32)
        for _ in range(min(n, max(1, round(self.share * n)))):
            best = int(shuffled[nearest[shuffled].argmin()])
            chosen.append(best)
            np.maximum(nearest, points @ points[best], out=nearest)
            nearest[best] = np.inf
        rest = shuffled[~np.isin(shuffled, chosen)]
        return np.concatenate([np.asarray(chosen, dtype=np.int64), rest])
