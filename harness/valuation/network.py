"""Removal curves of the network itself: what it comes to without the points that have the highest or the lowest values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from harness.valuation.datamodel import subset_size
from harness.valuation.judge import ascending

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray, IntArray

COLUMNS = ("removed", "remove_high", "remove_low", "remove_random")

End = Literal["highest", "lowest"]
"""Which values the removed points have."""


def kept_rows(values: FloatArray, share: float, end: End) -> IntArray:
    """Rows, ascending, that stay when a share of the points is removed: as many as a random subset of the rest has.

    Args:
        values: ``(n,)``.
        share: Of the points that are removed.
        end: Which values these have.
    """
    import numpy as np

    order = ascending(values)
    size = subset_size(len(order), kept_fraction(share))
    rows: IntArray = np.sort(order[len(order) - size :] if end == "lowest" else order[:size])
    return rows


def kept_fraction(share: float) -> float:
    """What is left of 1, without the noise of binary fractions."""
    return round(1 - share, 9)


def network_curves(shares: Sequence[float], probs: Sequence[Sequence[FloatArray]], labels: IntArray) -> pd.DataFrame:
    """Test accuracy of the retrained network.

    Args:
        shares: Of the training set that was removed, ascending.
        probs: For each share, ``(n_test, K)`` probabilities without the highest-valued, the lowest-valued and random points.
        labels: ``(n_test,)`` classes.

    Returns:
        Columns ``removed``, ``remove_high``, ``remove_low``, ``remove_random``.
    """
    import pandas as pd

    rows = [
        (share, *(float((one.argmax(axis=1) == labels).mean()) for one in three))
        for share, three in zip(shares, probs, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def network_area(curves: pd.DataFrame) -> float:
    """Mean over the removed shares of accuracy without the lowest- minus without the highest-valued points; in [-1, 1]."""
    return float((curves["remove_low"] - curves["remove_high"]).mean())
