"""What selectors need of a problem, checked, and the order that equal keys take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.components.selector import SelectionProblem
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


def values(problem: SelectionProblem) -> FloatArray:
    """The data values: ``(n_train,)`` float64, finite.

    Raises:
        harness.errors.DataError: There are none, or they do not fit the training set, or some are not finite.
    """
    return _checked(problem.values, "data values", len(problem.train), 1)


def predictions(problem: SelectionProblem) -> FloatArray:
    """The base classifier's probabilities: ``(n_train, K)`` float64, finite; raises as :func:`values`."""
    return _checked(problem.probs, "class probabilities", len(problem.train), 2)


def directions(problem: SelectionProblem) -> FloatArray:
    """The embeddings scaled to length 1: ``(n_train, d)`` float32; raises as :func:`values`."""
    import numpy as np

    embeddings = _checked(problem.embeddings, "embeddings", len(problem.train), 2)
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    scaled: FloatArray = (embeddings / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
    return scaled


def _checked(array: FloatArray | None, what: str, rows: int, dimensions: int) -> FloatArray:
    import numpy as np

    if array is None:
        raise DataError(f"This selector needs {what}, and there are none.")
    found = np.asarray(array, dtype=np.float64)
    if found.ndim != dimensions or len(found) != rows:
        raise DataError(f"The {what} have the shape {found.shape}, which does not fit {rows} training examples.")
    bad = ~np.isfinite(found.reshape(rows, -1)).all(axis=1)
    if bad.any():
        raise DataError(f"The {what} of {int(bad.sum())} of {rows} training examples are not finite.")
    return found


def ascending(keys: FloatArray, seed: int) -> IntArray:
    """Indices by ascending key, equal keys in an order drawn by ``seed``.

    The order of the file must not decide between equal keys: data files are often sorted by class.
    """
    import numpy as np

    order: IntArray = np.lexsort((np.random.default_rng(seed).permutation(len(keys)), keys))
    return order
