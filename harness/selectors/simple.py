"""Selectors ``random``, ``highest`` and ``lowest``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.components.selector import SelectionProblem, Selector
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


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


def values(problem: SelectionProblem) -> FloatArray:
    """The data values, checked: ``(n_train,)`` float64.

    Raises:
        harness.errors.DataError: There are none, or too few, or some are not finite.
    """
    import numpy as np

    if problem.values is None:
        raise DataError("Selection by data value needs data values, and there are none.")
    found = np.asarray(problem.values, dtype=np.float64)
    if found.shape != (len(problem.train),):
        raise DataError(f"There are data values of shape {found.shape} for {len(problem.train)} training examples.")
    if not np.isfinite(found).all():
        raise DataError(f"{int((~np.isfinite(found)).sum())} of {len(found)} data values are not finite.")
    return found


def ascending(keys: FloatArray, seed: int) -> IntArray:
    """Indices by ascending key, equal keys in an order drawn by ``seed``.

    The order of the file must not decide between equal keys: data files are often sorted by class.
    """
    import numpy as np

    return np.lexsort((np.random.default_rng(seed).permutation(len(keys)), keys))
