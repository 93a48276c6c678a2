"""What valuators return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.border.numbers import fault, real

if TYPE_CHECKING:
    from harness.registry import Entry
    from harness.types import FloatArray


def data_values(entry: Entry, values: Any, n: int) -> FloatArray:
    """What a valuator returned for ``n`` training examples, as ``(n,)`` float64.

    Raises:
        HarnessError: It has broken its contract: another shape, values that are not finite or no real numbers.
    """
    import numpy as np

    array: FloatArray = real(entry, values, "data values").astype(np.float64)
    if array.shape != (n,):
        raise fault(
            entry, f"returned an array of shape {array.shape} for {n} training examples; expected one value for each"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        raise fault(
            entry,
            f"returned {int(bad.sum())} values of {n} that are NaN or infinite (first: training example {int(bad.argmax())})",
        )
    return array
