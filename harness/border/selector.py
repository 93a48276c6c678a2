"""What selectors return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.border.calls import calling
from harness.border.numbers import fault, real

if TYPE_CHECKING:
    from harness.components.selector import Search
    from harness.registry import Entry
    from harness.types import BoolArray, IntArray


def distinct_indices(entry: Entry, order: Any, n: int) -> IntArray:
    """What a selector returned for ``n`` training examples: ``(m,)`` distinct integers in ``0..n-1``.

    Raises:
        HarnessError: They are not.
    """
    import numpy as np

    array: IntArray = real(entry, order, "indices")
    if array.ndim != 1:
        raise fault(
            entry, f"did not return distinct indices but an array of shape {array.shape}; expected one dimension"
        )
    if not len(array):
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise fault(entry, f"did not return distinct indices but numbers of type {array.dtype}; expected integers")
    if array.min() < 0 or array.max() >= n:
        outside = int(array[(array < 0) | (array >= n)][0])
        raise fault(entry, f"returned indices outside 0..{n - 1} (first: {outside})")
    found, counts = np.unique(array, return_counts=True)
    if len(found) != len(array):
        row = int((counts > 1).argmax())
        raise fault(entry, f"did not return distinct indices: {int(found[row])} is there {int(counts[row])} times")
    return array


class CheckedSearch:
    """A search of an adaptive selector, checked at every step.

    Args:
        entry: The selector.
        search: What it started.
        n: Number of training examples.
    """

    def __init__(self, entry: Entry, search: Search, n: int) -> None:
        import numpy as np

        self._entry, self._search, self._n = entry, search, n
        self._asked: BoolArray = np.zeros(n, dtype=bool)

    def ask(self) -> IntArray:
        """The next training indices.

        Raises:
            HarnessError: They are no distinct indices, or were asked before.
        """
        with calling(self._entry):
            asked = self._search.ask()
        batch = distinct_indices(self._entry, asked, self._n)
        again = self._asked[batch]
        if again.any():
            raise fault(self._entry, f"asked for training example {int(batch[again.argmax()])} again")
        self._asked[batch] = True
        return batch

    def tell(self, indices: IntArray, found: BoolArray) -> None:
        """What came of them."""
        with calling(self._entry):
            self._search.tell(indices, found)
