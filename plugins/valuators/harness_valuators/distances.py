"""Squared Euclidean distances whose order can be relied on: accurate at any scale and offset, equal where they are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray

EQUAL = 1e-12
"""Squared distances that differ by less than this share are equal: what is left of rounding when they are computed directly."""

ENTRIES = 4_000_000
"""Differences of features held at a time where distances are computed directly."""


class Distances:
    """Squared distances between validation and training points, in float64.

    The usual ``|x|^2 - 2xv + |v|^2`` is one matrix product, and loses a small distance beside large features. Its error is
    bounded, so it is used to sort, and every distance that is within the bound of a neighbour in the order is computed
    again from the differences of the features themselves. Those do not depend on where the origin is.

    Args:
        x: ``(N, d)`` training features, finite.
        valid: ``(n, d)`` validation features.
    """

    def __init__(self, x: FloatArray, valid: FloatArray) -> None:
        self.x, self.valid = x, valid
        largest = max(float(np.abs(x).max(initial=0)), float(np.abs(valid).max(initial=0)))
        # A power of two changes no digit, and keeps the squares from overflowing or vanishing.
        self.scale = float(np.ldexp(1.0, -int(np.frexp(largest)[1]))) if largest > 0 else 1.0
        self.mean = x.mean(axis=0, dtype=np.float64)
        self.centred = (x - self.mean) * self.scale
        self.squares = np.einsum("nd,nd->n", self.centred, self.centred)
        # Rounding of the centred features (by their size before), of two products of d terms and of their sum.
        self.offset = np.finfo(float).eps * float(np.abs(self.mean).max(initial=0)) * self.scale * np.sqrt(x.shape[1])
        self.unit = (x.shape[1] + 8) * np.finfo(float).eps

    def sort(self, rows: slice) -> tuple[IntArray, BoolArray]:
        """Training points by their distance to some validation points.

        Args:
            rows: Which validation points.

        Returns:
            ``(m, N)`` indices of training points, nearest first, and ``(m, N)`` booleans: whether a point is further than
            the one before it, and not equally far.
        """
        valid = (self.valid[rows] - self.mean) * self.scale
        own = np.einsum("md,md->m", valid, valid)
        distances = self.squares - 2 * (valid @ self.centred.T)
        distances += own[:, None]
        order = np.argsort(distances, axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
        reach = np.sqrt(self.squares.max()) + np.sqrt(own)
        bound = 4 * (self.unit * reach**2 + self.offset * reach)
        unsure = np.diff(distances, axis=1) <= bound[:, None]
        further = np.ones(order.shape, dtype=bool)
        for row in np.flatnonzero(unsure.any(axis=1)):
            self._again(rows.start + int(row), order[row], distances[row], unsure[row], further[row])
        return order, further

    def _again(self, valid: int, order: IntArray, distances: FloatArray, unsure: BoolArray, further: BoolArray) -> None:
        """Compute what is unsure of one validation point directly, in place."""
        at = np.flatnonzero(np.r_[unsure, False] | np.r_[False, unsure])
        points, exact = order[at], np.empty(len(at))
        size = max(1, ENTRIES // self.x.shape[1]) if self.x.shape[1] else len(at)
        target = self.valid[valid].astype(np.float64) * self.scale
        for begin in range(0, len(at), size):
            part = slice(begin, begin + size)
            gap = self.x[points[part]] * self.scale - target
            exact[part] = np.einsum("nd,nd->n", gap, gap)
        # Runs of unsure points are certain among each other, so each is sorted in its own place.
        run = np.cumsum(np.r_[True, ~unsure])[at]
        within = np.lexsort((points, exact, run))
        order[at], distances[at] = points[within], exact[within]
        near = distances[1:] - distances[:-1] <= EQUAL * distances[1:]
        further[1:] = ~(near & unsure)
