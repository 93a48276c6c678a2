"""Types that several packages speak of: arrays, texts, options; and the form of names that people give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray: TypeAlias = npt.NDArray[np.floating]
    IntArray: TypeAlias = npt.NDArray[np.integer]
    BoolArray: TypeAlias = npt.NDArray[np.bool_]
else:  # at run time the names exist without importing numpy
    FloatArray = IntArray = BoolArray = Any

NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}"
"""Form of the names that a suite gives to arms, data sets and components; they become parts of file names."""

SUITE_NAME = r"[a-z0-9][a-z0-9._-]{0,79}"
"""Form of a suite's own name."""

Texts: TypeAlias = str | tuple[str, str]
"""The text of one example: a string, or an ordered pair of strings."""

Normalisation: TypeAlias = Literal["none", "mean"]
"""What is done to data values before they weight the loss: nothing, or division by their mean."""
