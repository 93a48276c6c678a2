"""Do data values predict what retraining does? The linear datamodelling score (Ilyas et al. 2022; Park et al. 2023, TRAK).

A classifier is trained again on many random subsets of the training set, and its utility on the test set noted. Values that
know what points do for it predict that utility: by the sum of the values of a subset's points. The score is the rank
correlation (Spearman) between prediction and utility over the subsets, in [-1, 1]; 0 is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray

RESAMPLES = 1000
"""Bootstrap resamples of the subsets, for intervals."""


def subset_rows(n: int, fraction: float, seed: int) -> IntArray:
    """Rows of a random subset of ``n`` points, ascending: ``round(fraction * n)`` of them, at least one."""
    import numpy as np

    rows: IntArray = np.sort(np.random.default_rng(seed).choice(n, max(1, round(fraction * n)), replace=False))
    return rows


def margin_utility(probs: FloatArray, labels: IntArray) -> float:
    """Mean over test points of the log-odds of the true class, the utility that linear datamodels predict best (TRAK, sec. 2).

    Args:
        probs: ``(n, K)`` probabilities.
        labels: ``(n,)`` true classes.
    """
    import numpy as np

    p = np.clip(probs[np.arange(len(labels)), labels].astype(np.float64), 1e-7, 1 - 1e-7)
    return float(np.log(p / (1 - p)).mean())


def uu_utility(probs: FloatArray, labels: IntArray, tau: float) -> float:
    """Minus the share of test points that are unknown unknowns at ``tau``: wrong with confidence."""
    from harness.unknowns import Predictions

    return -float(Predictions.all(labels, probs).uu(tau).mean())


@dataclass(frozen=True)
class Score:
    """A linear datamodelling score in [-1, 1] with its 95 % interval over subsets; ``nan`` where nothing varies."""

    value: float
    low: float
    high: float


def datamodelling_score(
    values: FloatArray, subsets: Sequence[IntArray], utility: FloatArray, *, seed: int = 0
) -> Score:
    """The linear datamodelling score.

    Args:
        values: ``(n,)`` data values.
        subsets: ``m`` arrays of rows that were trained on.
        utility: ``(m,)`` what came of it.
        seed: Decides the resamples of the subsets, by which the interval is made (percentiles).
    """
    import numpy as np

    predicted, m = np.array([values[rows].sum() for rows in subsets]), len(subsets)
    rng = np.random.default_rng(seed)
    drawn = [_spearman(predicted[rows], utility[rows]) for rows in rng.integers(0, m, (RESAMPLES, m))]
    finite = [score for score in drawn if np.isfinite(score)]
    low, high = np.percentile(finite, [2.5, 97.5]) if finite else (np.nan, np.nan)
    return Score(_spearman(predicted, utility), float(low), float(high))


def _spearman(a: FloatArray, b: FloatArray) -> float:
    import numpy as np
    from scipy.stats import rankdata

    x, y = (rankdata(one) - (len(one) + 1) / 2 for one in (a, b))
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / scale) if scale else float("nan")
