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


def attributions(entry: Entry, found: Any, values: FloatArray, m: int) -> FloatArray:
    """What a valuator says that its training points do for each of ``m`` validation points, as ``(n, m)`` float32.

    Raises:
        HarnessError: It has broken its contract: another shape, numbers that are not finite, or their means are not its values.
    """
    import numpy as np

    array: FloatArray = real(entry, found, "attributions").astype(np.float64)
    if array.shape != (len(values), m):
        raise fault(
            entry,
            f"returned attributions of shape {array.shape} for {len(values)} training and {m} validation examples; expected "
            "one for each pair",
        )
    if not np.isfinite(array).all():
        raise fault(entry, "returned attributions that are NaN or infinite")
    if not np.allclose(array.mean(axis=1), values, rtol=1e-5, atol=1e-7 * float(np.abs(array).max())):
        raise fault(entry, "returned attributions whose means over validation examples are not its values")
    return array.astype(np.float32)
