"""Calibration of confidences: reliability bins, expected calibration errors, temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Reliability:
    """Confidences gathered into bins.

    Attributes:
        low: ``(bins,)`` lower bounds, exclusive (but the first bin of equal width contains 0).
        high: ``(bins,)`` upper bounds, inclusive.
        count: ``(bins,)`` predictions in the bin.
        confidence: ``(bins,)`` their mean confidence; ``nan`` in an empty bin.
        accuracy: ``(bins,)`` share of them that is right; ``nan`` in an empty bin.
    """

    low: FloatArray
    high: FloatArray
    count: IntArray
    confidence: FloatArray
    accuracy: FloatArray

    def error(self) -> float:
        """Expected calibration error: mean over the predictions of ``|accuracy - confidence|`` of their bin."""
        full = self.count > 0
        gap = np.abs(self.accuracy[full] - self.confidence[full])
        return float((gap * self.count[full]).sum() / self.count.sum())

    def largest_error(self) -> float:
        """Maximum calibration error: the largest ``|accuracy - confidence|`` of a bin that is not empty."""
        full = self.count > 0
        return float(np.abs(self.accuracy[full] - self.confidence[full]).max())

    def debiased_error(self) -> float:
        """Expected calibration error less its bias from having few predictions per bin, at least 0.

        The accuracy of a bin is about normal around its true value with variance ``a (1 - a) / n``, so the expected
        absolute gap is that of a folded normal distribution and exceeds the true one. The excess, taken at the gap that was
        observed, is subtracted (the estimator of Kumar, Liang and Ma 2019 for the L1 error; the expectation in closed form
        instead of by resampling).
        """
        from scipy.special import erf

        full = self.count > 0
        gap = np.abs(self.accuracy[full] - self.confidence[full])
        spread = np.sqrt(self.accuracy[full] * (1 - self.accuracy[full]) / self.count[full])
        expected = gap.copy()
        noisy = spread > 0
        ratio = gap[noisy] / spread[noisy]
        # The mean of a folded normal distribution (Leone, Nelson and Nottingham, Technometrics 3, 1961) in units of its spread;
        # scipy.stats.foldnorm checks its arguments for a millisecond, which hundreds of resamples pay.
        folded = 2 * (np.exp(-0.5 * ratio**2) / np.sqrt(2 * np.pi)) + ratio * erf(ratio / np.sqrt(2))
        expected[noisy] = folded * spread[noisy]
        debiased = ((2 * gap - expected) * self.count[full]).sum() / self.count.sum()
        return float(max(0.0, debiased))

    def frame(self, **columns: str) -> pd.DataFrame:
        """The bins as a data frame, with constant ``columns`` in front."""
        import pandas as pd

        names = ("low", "high", "count", "confidence", "accuracy")
        return pd.DataFrame({**columns, **{name: getattr(self, name) for name in names}})


def equal_width(confidence: FloatArray, correct: BoolArray, bins: int) -> Reliability:
    """Bins ``((m-1)/M, m/M]`` of equal width over ``[0, 1]`` (Guo et al. 2017).

    The bounds are rounded to the type of the confidences, as thresholds are: a float32 confidence of 0.6 lies in a bin that
    ends at 0.6 (as a float64 it is slightly more).
    """
    edges = np.arange(bins + 1) / bins
    index = np.searchsorted(edges.astype(confidence.dtype), confidence, side="left") - 1
    return _gather(confidence, correct, np.clip(index, 0, bins - 1), edges[:-1], edges[1:])


def equal_mass(confidence: FloatArray, correct: BoolArray, bins: int) -> Reliability:
    """Bins holding about equally many predictions; equal confidences always share a bin (Nixon et al. 2019).

    There are fewer than ``bins`` bins when there are fewer distinct confidences.
    """
    high = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:], method="inverted_cdf"))
    index = np.searchsorted(high, confidence, side="left")
    low = np.concatenate([confidence.min(keepdims=True), high[:-1]])
    return _gather(confidence, correct, index, low.astype(np.float64), high.astype(np.float64))


def _gather(
    confidence: FloatArray, correct: BoolArray, index: IntArray, low: FloatArray, high: FloatArray
) -> Reliability:
    count = np.bincount(index, minlength=len(low))
    with np.errstate(invalid="ignore"):
        mean = np.bincount(index, weights=confidence.astype(np.float64), minlength=len(low)) / count
        accuracy = np.bincount(index, weights=correct.astype(np.float64), minlength=len(low)) / count
    return Reliability(low, high, count, mean, accuracy)


def temperature(probs: FloatArray, labels: IntArray) -> float:
    """The temperature, between 0.05 and 20, that minimises the NLL of ``softmax(log(p) / T)`` (Guo et al. 2017).

    Args:
        probs: ``(n, K)`` probabilities of the validation set.
        labels: ``(n,)`` true classes.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits = _logits(probs)
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        return float(-log_softmax(logits / np.exp(log_t), axis=1)[rows, labels].mean())

    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def rescale(probs: FloatArray, temperature: float) -> FloatArray:
    """``softmax(log(p) / T)``: ``(n, K)`` float64."""
    from scipy.special import softmax

    scaled: FloatArray = softmax(_logits(probs) / temperature, axis=1)
    return scaled


def _logits(probs: FloatArray) -> FloatArray:
    # A float32 softmax underflows to 0 far out; its smallest normal number stands for that.
    return np.log(np.maximum(probs.astype(np.float64), np.finfo(np.float32).tiny))
