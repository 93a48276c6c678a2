"""Numbers that plugins return."""

from __future__ import annotations

import operator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, SupportsIndex

from harness.border.calls import calling
from harness.components.texts import abridged
from harness.errors import HarnessError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from harness.registry import Entry


def fault(entry: Entry, what: str) -> HarnessError:
    """A component has broken its contract: ``what`` it did, as the rest of a sentence that begins with its name."""
    return HarnessError(
        f"The {entry.kind} {entry.key} {what}.",
        hint=f"This is a fault in the {entry.kind}: it does not keep its contract.",
    )


def described(value: Any) -> str:
    """What a value is, in a few words: its type, and for short ones itself."""
    if value is None:
        return "None"
    return f"{abridged(value)} ({type(value).__name__})"


def real(entry: Entry, value: Any, what: str) -> npt.NDArray[Any]:
    """An array (or what can be made one) of booleans, integers or floats, as it came.

    Args:
        entry: The component that returned it.
        value: What it returned.
        what: What the numbers are: ``"data values"``.

    Raises:
        HarnessError: It is masked, or holds something else: complex numbers, objects, texts.
    """
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        raise fault(entry, f"returned {what} as a masked array; expected an array without a mask")
    with calling(entry):  # ragged lists, tensors of another device
        array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        kind = {"c": "complex numbers", "O": "objects"}.get(array.dtype.kind, f"type {array.dtype}")
        raise fault(entry, f"returned {what} of {kind}{_first(array)}; expected real numbers")
    return array


def _first(array: np.ndarray[Any, Any]) -> str:
    return f" (first: {abridged(array.flat[0])})" if array.size else ""


def integer(entry: Entry, value: Any, what: str) -> int:
    """An integer, NumPy's too.

    Raises:
        HarnessError: It is none.
    """
    if type(value) is int:
        return value
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        with suppress(TypeError):  # an array that is no scalar
            return operator.index(value)
    raise fault(entry, f"gave {what} as {described(value)}; expected an integer")
