"""Exact Shapley values of a nearest-neighbour classifier (Jia et al. 2019, PVLDB 12(11), theorem 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import ValuationProblem, Valuator
from harness.progress import progress

if TYPE_CHECKING:
    from harness.types import FloatArray

BLOCK_ENTRIES = 4_000_000
"""Distances held at a time, which bounds the memory to about 100 MB whatever the size of the problem."""


class KnnShapley(Valuator):
    """Exact Shapley values of a k-nearest-neighbour classifier (Jia et al. 2019). Cost: O(n_valid * N (d + log N)).

    The utility of a training set is the mean share of the k nearest neighbours that have the validation point's label (of
    all points there are, when fewer than k; missing neighbours count as wrong). The values add up to the utility of the
    whole set. Neighbours are by Euclidean distance; of equally distant points the one that comes first in the training
    set is nearer.
    """

    api_version: ClassVar[int] = 1

    k: int = Field(default=10, ge=1)
    """Number of neighbours."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 exact values; nothing is random."""
        import numpy as np

        x = problem.x_train.astype(np.float32)
        valid = problem.x_valid.astype(np.float32)
        mean = x.mean(axis=0)  # distances do not change, their rounding errors do
        x, valid = x - mean, valid - mean
        squares = np.einsum("nd,nd->n", x, x)
        n, k = len(x), self.k
        # Of the points sorted by distance, s_N = [y_N = y] / max(N, k), and
        # s_i = s_{i+1} + ([y_i = y] - [y_{i+1} = y]) / k * min(k, i) / i: a sum from the far end.
        position = np.arange(1, n)
        factor = np.minimum(k, position) / (position * k)
        total = np.zeros(n)
        block = max(1, BLOCK_ENTRIES // n)
        with progress("validation points", total=len(valid)) as bar:
            for begin in range(0, len(valid), block):
                part = valid[begin : begin + block]
                order = np.argsort(squares - 2 * (part @ x.T), axis=1, kind="stable")
                match = (problem.y_train[order] == problem.y_valid[begin : begin + block, None]).astype(np.float64)
                values = np.empty_like(match)
                values[:, -1] = match[:, -1] / max(n, k)
                values[:, :-1] = (match[:, :-1] - match[:, 1:]) * factor
                values = values[:, ::-1].cumsum(axis=1)[:, ::-1]
                total += np.bincount(order.ravel(), weights=values.ravel(), minlength=n)
                bar.advance(len(part))
        return total / len(valid)
