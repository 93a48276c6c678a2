"""Names for the array and text types that the contracts speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray: TypeAlias = npt.NDArray[np.floating]
    IntArray: TypeAlias = npt.NDArray[np.integer]
    BoolArray: TypeAlias = npt.NDArray[np.bool_]
else:  # at run time the names exist without importing numpy
    FloatArray = IntArray = BoolArray = Any

Texts: TypeAlias = str | tuple[str, str]
"""The text of one example: a string, or an ordered pair of strings."""
