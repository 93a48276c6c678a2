"""Metric ``decomposition``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.components import Metric, Outcome, Score, Scores
from harness.unknowns import whole

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray

PARTS = {
    "miscalibration": ("lower", "What recalibration would win (0: perfectly calibrated)."),
    "discrimination": ("higher", "What telling examples apart wins over the base rate."),
    "uncertainty": (None, "The score of the base rate: how hard the labels are."),
}


class ScoreDecomposition(Metric):
    """Brier score and log score, taken apart: score = miscalibration - discrimination + uncertainty.

    The probabilities of a class are recalibrated on the same predictions by isotonic regression (pool adjacent violators),
    which is the best that a monotone map can do. *Miscalibration* is what that wins, *discrimination* what the recalibrated
    probabilities win over the base rate, *uncertainty* the score of the base rate (CORP: Dimitriadis, Gneiting and Jordan
    2021). All three are at least 0. Classes are taken one against the rest and their scores added up, so that the Brier score
    is that of the metric ``brier``; the log score is halved, so that for two classes it is ``nll``.

    ``brier_miscalibration``, ``brier_discrimination``, ``brier_uncertainty``, and the same of ``nll``, in nats. Populations are
    ``clean`` and ``deployed`` (after the attack).
    """

    api_version: ClassVar[int] = 1

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the deployed population."""
        scalars: dict[str, Score] = {}
        for name, one in whole(outcome).items():
            for key, value in decomposed(one.probs, one.labels).items():
                rule, _, part = key.partition("_")
                better, meaning = PARTS[part]
                scalars[f"{key}/{name}"] = Score(value, better, 0, 2 if rule == "brier" else None, meaning=meaning)  # type: ignore[arg-type]
        return Scores(scalars)

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The parts of each resample, recalibrated anew."""
        found = whole(outcome)
        for rows in resamples:
            yield {
                f"{key}/{name}": value
                for name, one in found.items()
                for key, value in decomposed(one.probs[rows], one.labels[rows]).items()
            }


def decomposed(probs: FloatArray, labels: IntArray) -> dict[str, float]:
    """Miscalibration, discrimination and uncertainty of the Brier score and of the log score.

    Args:
        probs: ``(n, K)`` probabilities.
        labels: ``(n,)`` true classes.
    """
    import numpy as np

    totals = dict.fromkeys((f"{rule}_{part}" for rule in RULES for part in PARTS), 0.0)
    for k in range(probs.shape[1]):
        p, y = probs[:, k].astype(np.float64), labels == k
        fitted, base = recalibrated(p, y), np.full(len(y), y.mean())
        for rule, loss in RULES.items():
            given, best, flat = (float(loss(q, y).mean()) for q in (p, fitted, base))
            totals[f"{rule}_miscalibration"] += max(0.0, given - best)
            totals[f"{rule}_discrimination"] += max(0.0, flat - best)
            totals[f"{rule}_uncertainty"] += flat
    return totals


def recalibrated(p: FloatArray, y: BoolArray) -> FloatArray:
    """``(n,)`` isotonic regression of ``y`` on ``p``; equal probabilities stay equal."""
    import numpy as np
    from scipy.optimize import isotonic_regression

    _, place, count = np.unique(p, return_inverse=True, return_counts=True)
    share = np.bincount(place, weights=y) / count
    fitted: FloatArray = isotonic_regression(share, weights=count.astype(np.float64)).x[place]
    return fitted


def _brier(p: FloatArray, y: BoolArray) -> FloatArray:
    return (p - y) ** 2


def _log(p: FloatArray, y: BoolArray) -> FloatArray:
    import numpy as np

    least = np.finfo(np.float32).eps  # as in the metric nll
    each: FloatArray = -0.5 * np.log(np.clip(np.where(y, p, 1 - p), least, 1.0))
    return each


RULES: dict[str, Callable[[FloatArray, BoolArray], FloatArray]] = {"brier": _brier, "nll": _log}
"""The loss of a class's probability against whether it is the class."""
