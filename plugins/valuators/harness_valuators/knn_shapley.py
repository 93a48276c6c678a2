"""Exact Shapley values of a nearest-neighbour classifier (Jia et al. 2019, PVLDB 12(11), theorem 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import ValuationProblem, Valuator
from harness.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.types import BoolArray, FloatArray, IntArray

BLOCK_ENTRIES = 2_000_000
"""Distances held at a time, which bounds the memory to about 100 MB whatever the size of the problem."""


class KnnShapley(Valuator):
    """Exact Shapley values of a k-nearest-neighbour classifier (Jia et al. 2019). Cost: O(n_valid * N (d + log N)).

    The utility of a training set is the mean share of the k nearest neighbours that have the validation point's label (of
    all points there are, when fewer than k; missing neighbours count as wrong). The values add up to the utility of the
    whole set. Neighbours are by Euclidean distance, in float64 whatever the scale and the origin of the features. Of
    equally distant points (squared distances equal to 12 digits) any is as near as the others: the utility, and with it
    the value, is the mean over their random order, so points that are alike get the same whatever their place.
    """

    api_version: ClassVar[int] = 1

    k: int = Field(default=10, ge=1)
    """Number of neighbours."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 exact values; nothing is random."""
        import numpy as np

        total = np.zeros(problem.n_train)
        for _, order, values in self._blocks(problem):
            total += np.bincount(order.ravel(), weights=values.ravel(), minlength=problem.n_train)
        return total / len(problem.y_valid)

    def attributions(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train, n_valid)`` float64 exact values for each validation point alone."""
        import numpy as np

        found = np.empty((len(problem.y_valid), problem.n_train))
        for rows, order, values in self._blocks(problem):
            np.put_along_axis(found[rows], order, values, axis=1)
        return found.T

    def _blocks(self, problem: ValuationProblem) -> Iterator[tuple[slice, IntArray, FloatArray]]:
        """Validation points by the block, their ``(m, N)`` neighbours, nearest first, and the values of these."""
        import numpy as np

        from harness_valuators.distances import Distances

        n, k = problem.n_train, self.k
        # f_i = min(k, i) / (i k) and f_N = 1 / max(N, k): of the points sorted by distance, s_N = f_N [y_N = y], and
        # s_i = s_{i+1} + f_i ([y_i = y] - [y_{i+1} = y]): a sum from the far end.
        position = np.arange(1, n + 1)
        factor = np.minimum(k, position) / (position * k)
        factor[-1] = 1 / max(n, k)
        distances = Distances(problem.x_train, problem.x_valid)
        block = max(1, BLOCK_ENTRIES // n)
        with progress("validation points", total=len(problem.y_valid)) as bar:
            for begin in range(0, len(problem.y_valid), block):
                rows = slice(begin, min(begin + block, len(problem.y_valid)))
                order, further = distances.sort(rows)
                match = (problem.y_train[order] == problem.y_valid[rows, None]).astype(np.float64)
                values = _sorted_values(match, factor)
                tied = ~further.all(axis=1)
                if tied.any():
                    values[tied] = _tied_values(match[tied], further[tied], factor)
                yield rows, order, values
                bar.advance(len(order))


def _sorted_values(match: FloatArray, factor: FloatArray) -> FloatArray:
    """``(m, N)`` values of points that are sorted by distance, from ``(m, N)`` matches and ``(N,)`` factors."""
    import numpy as np

    values = np.empty_like(match)
    values[:, -1] = match[:, -1] * factor[-1]
    values[:, :-1] = (match[:, :-1] - match[:, 1:]) * factor[:-1]
    found: FloatArray = values[:, ::-1].cumsum(axis=1)[:, ::-1]
    return found


def _tied_values(match: FloatArray, further: BoolArray, factor: FloatArray) -> FloatArray:
    """The mean of :func:`_sorted_values` over all orders of the points within each group that is equally far.

    Written out, ``s_p = f_p m_p + sum over q > p of m_q (f_q - f_{q-1})`` for matches m. A point's place p in its group
    a..b is uniform, and what follows it within the group is the mean match of the others there.

    Args:
        match: ``(m, N)`` 0 or 1.
        further: ``(m, N)`` whether a group begins here; true in the first column.
        factor: ``(N,)``.
    """
    import numpy as np

    rows, n = match.shape
    starts = np.flatnonzero(further)
    size = np.diff(np.r_[starts, rows * n])
    group = np.repeat(np.arange(len(starts)), size)
    matches = np.add.reduceat(match.ravel(), starts)
    mean_factor = np.add.reduceat(np.tile(factor, rows), starts) / size
    last = (starts + size - 1) % n
    change = np.diff(factor, prepend=0.0) * (matches / size)[group].reshape(rows, n)
    beyond = np.zeros_like(match)
    beyond[:, :-1] = change[:, :0:-1].cumsum(axis=1)[:, ::-1]
    after = beyond.ravel()[starts + size - 1]
    own = match.ravel()
    others = (matches[group] - own) / np.maximum(size - 1, 1)[group]
    values = own * mean_factor[group] + others * (factor[last] - mean_factor)[group] + after[group]
    found: FloatArray = values.reshape(rows, n)
    return found
