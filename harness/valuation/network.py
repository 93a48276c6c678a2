"""Removal curves of the network itself: what it comes to without the points that have the highest or the lowest values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray, IntArray

COLUMNS = ("removed", "remove_high", "remove_low", "remove_random")


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
