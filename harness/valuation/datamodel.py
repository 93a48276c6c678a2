"""Do data values predict what retraining does? The linear datamodelling score (Ilyas et al. 2022; Park et al. 2023, TRAK).

A classifier is trained again on many random subsets of the training set, and its utility noted. Values that know what points
do for it predict that utility: by the sum of the values of a subset's points. The score is the rank correlation (Spearman)
between prediction and utility over the subsets, in [-1, 1]; 0 is chance. Methods that tell what points do for single
validation points are asked about each of these, and the score is the mean: it is much less noisy than that of one utility.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray

RESAMPLES = 1000
"""Bootstrap resamples of the subsets, for intervals."""


def subset_size(n: int, fraction: float) -> int:
    """``round(fraction * n)``, at least one."""
    return max(1, round(fraction * n))


def subset_rows(n: int, fraction: float, seed: int) -> IntArray:
    """Rows of a random subset of ``n`` points, ascending: :func:`subset_size` of them."""
    import numpy as np

    rows: IntArray = np.sort(np.random.default_rng(seed).choice(n, subset_size(n, fraction), replace=False))
    return rows


def margins(probs: FloatArray, labels: IntArray) -> FloatArray:
    """``(..., n)`` log-odds of the true class, the utility that linear datamodels predict best (TRAK, sec. 2).

    Args:
        probs: ``(..., n, K)`` probabilities.
        labels: ``(n,)`` true classes.
    """
    import numpy as np

    p = np.clip(probs[..., np.arange(len(labels)), labels].astype(np.float64), 1e-7, 1 - 1e-7)
    found: FloatArray = np.log(p / (1 - p))
    return found


def uu_utility(probs: FloatArray, labels: IntArray, tau: float) -> float:
    """Minus the share of test points that are unknown unknowns at ``tau``: wrong with confidence."""
    from harness.unknowns import Predictions

    return -float(Predictions.all(labels, probs).uu(tau).mean())


@dataclass(frozen=True)
class Score:
    """A linear datamodelling score in [-1, 1] with its 95 % interval; ``nan`` where nothing varies."""

    value: float
    low: float
    high: float


def datamodelling_score(predicted: FloatArray, utility: FloatArray, *, seed: int = 0) -> Score:
    """The linear datamodelling score, a mean over points where utilities are theirs.

    Args:
        predicted: ``(m,)`` or ``(m, points)``, for each of ``m`` subsets the sum of its points' values.
        utility: The same shape, what came of training on the subset.
        seed: Decides the resamples of the subsets and of the points, by which the interval is made (percentiles).
    """
    import numpy as np
    from scipy.stats import rankdata

    p, u = (np.asarray(one, dtype=np.float64).reshape(len(one), -1) for one in (predicted, utility))
    (m, points), rng = p.shape, np.random.default_rng(seed)
    x, y = (rankdata(one, axis=0) - (m + 1) / 2 for one in (p, u))
    counts = rng.multinomial(m, np.full(m, 1 / m), RESAMPLES).astype(np.float64)
    of_points = np.vstack([_correlations(x, y, np.ones((1, m))), _correlations(x, y, counts)])
    shares = np.vstack([np.ones((1, points)), rng.multinomial(points, np.full(points, 1 / points), RESAMPLES)])
    known = np.isfinite(of_points)
    with np.errstate(invalid="ignore"):
        scores = np.where(known, of_points * shares, 0).sum(axis=1) / (known * shares).sum(axis=1)
    drawn = scores[1:][np.isfinite(scores[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Score(float(scores[0]), float(low), float(high))


def _correlations(x: FloatArray, y: FloatArray, counts: FloatArray) -> FloatArray:
    """``(r, c)`` correlations of the columns of ``(m, c)`` ranks, the rows taken as often as ``(r, m)`` counts say.

    The ranks stay those among all rows. ``nan`` where a column is constant.
    """
    import numpy as np

    m = x.shape[0]
    mean_x, mean_y = counts @ x / m, counts @ y / m
    spread_x, spread_y = (counts @ one**2 / m - mean**2 for one, mean in ((x, mean_x), (y, mean_y)))
    spread = spread_x * spread_y
    varies = (spread_x > 1e-9) & (spread_y > 1e-9)
    found: FloatArray = np.where(
        varies, (counts @ (x * y) / m - mean_x * mean_y) / np.sqrt(np.where(varies, spread, 1)), np.nan
    )
    return found


@dataclass(frozen=True)
class Retrainings:
    """What training again on random subsets of one draw's training set came to.

    Attributes:
        members: ``(m, n_train)`` which points each of the ``m`` subsets has.
        test: ``(m, n_test, K)`` float32 probabilities of the test points.
        test_labels: ``(n_test,)`` their classes.
        validation: ``(m, n_valid, K)`` float32 probabilities of the validation points.
        validation_labels: ``(n_valid,)`` their classes.
        noisy: ``(n_train,)`` which training labels were flipped.
    """

    members: BoolArray
    test: FloatArray
    test_labels: IntArray
    validation: FloatArray
    validation_labels: IntArray
    noisy: BoolArray

    def predicted(self, values: FloatArray) -> FloatArray:
        """``(m, ...)`` sums over each subset's points of ``(n_train, ...)`` values."""
        found: FloatArray = self.members.astype("float64") @ values
        return found

    def figures(self, values: FloatArray, predicted: FloatArray | None, tau: float) -> dict[str, float]:
        """The scores of values, with the ends of their intervals.

        Args:
            values: ``(n_train,)``.
            predicted: ``(m, n_valid)`` what the method predicts of single validation points; ``None`` where it cannot.
            tau: Confidence from which errors are unknown unknowns.

        Returns:
            ``lds`` for the mean margin of test points, ``lds_uu`` for their unknown unknowns, ``lds_points`` for the margin of
            each validation point (``nan`` without ``predicted``); each with ``_low`` and ``_high``.
        """
        import numpy as np

        of_sum = self.predicted(values)
        uu = np.array([uu_utility(probs, self.test_labels, tau) for probs in self.test])
        scores = {
            "lds": datamodelling_score(of_sum, margins(self.test, self.test_labels).mean(axis=1)),
            "lds_uu": datamodelling_score(of_sum, uu),
            "lds_points": Score(np.nan, np.nan, np.nan)
            if predicted is None
            else datamodelling_score(predicted, margins(self.validation, self.validation_labels)),
        }
        ends = {"": "value", "_low": "low", "_high": "high"}
        return {f"{name}{end}": getattr(one, what) for name, one in scores.items() for end, what in ends.items()}
