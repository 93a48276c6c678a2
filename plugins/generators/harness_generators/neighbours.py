"""Nearest neighbours by cosine similarity, under conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray


def unit(x: FloatArray) -> FloatArray:
    """Rows scaled to length 1 (rows of zeros stay)."""
    import numpy as np

    rows = np.asarray(x, dtype=np.float32)
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    scaled: FloatArray = rows / lengths
    return scaled


def nearest(
    queries: FloatArray,
    points: FloatArray,
    k: int,
    *,
    allowed: Callable[[int], BoolArray] | None = None,
    admits: Callable[[int, int], bool] | None = None,
) -> list[list[int]]:
    """The rows of ``points`` most similar to each query, best first; equal similarities in row order.

    Args:
        queries: ``(n, d)``.
        points: ``(m, d)``.
        k: How many per query; fewer when fewer qualify.
        allowed: For a query's position, ``(m,)`` bool: which rows may be returned.
        admits: A second condition on (query position, row), asked only about rows in the order of their similarity.
    """
    import numpy as np

    base = unit(points)
    found: list[list[int]] = []
    for position, query in enumerate(unit(queries)):
        similarity = base @ query
        rows = np.arange(len(base)) if allowed is None else np.flatnonzero(allowed(position))
        order = rows[np.argsort(-similarity[rows], kind="stable")]
        chosen: list[int] = []
        for row in order:
            if len(chosen) == k:
                break
            if admits is None or admits(position, int(row)):
                chosen.append(int(row))
        found.append(chosen)
    return found
