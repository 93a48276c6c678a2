"""Smooth calibration error: kernels instead of bins (Błasiok and Nakkiran, *Smooth ECE*, ICLR 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray

CELLS = 2048
"""Cells of the grid on which residuals are gathered: confidences are known to .0005."""

STEPS = 40
"""Halvings of the interval that the bandwidth lies in: to 1e-12."""


def smooth_error(confidence: FloatArray, correct: BoolArray) -> float:
    """Smooth ECE, which is also the bandwidth that it is taken at.

    At bandwidth ``s`` the error is the integral over ``t`` of ``|mean_i (correct_i - confidence_i) K_s(t, confidence_i)|`` with
    the Gaussian kernel that is reflected at 0 and 1; it falls as ``s`` grows, and smooth ECE is where both are equal
    (definition 2 of the paper). The reflected kernel is diagonal in the cosine transform.

    Args:
        confidence: ``(n,)`` in [0, 1].
        correct: ``(n,)`` bool.

    Returns:
        The error, in [0, 1].
    """
    from scipy.fft import dct, idct

    wave = dct(_residuals(confidence, correct), norm="ortho")
    squares = (np.pi * np.arange(CELLS)) ** 2 / 2

    def error(bandwidth: float) -> float:
        return float(np.abs(idct(wave * np.exp(-squares * bandwidth**2), norm="ortho")).sum())

    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if error(middle) > middle:
            low = middle
        else:
            high = middle
    return high


def _residuals(confidence: FloatArray, correct: BoolArray) -> FloatArray:
    """``(CELLS,)`` what each cell of [0, 1] holds of the mean residual."""
    exact = confidence.astype(np.float64)
    cell = np.minimum((exact * CELLS).astype(np.int64), CELLS - 1)
    held: FloatArray = np.bincount(cell, weights=correct - exact, minlength=CELLS) / len(exact)
    return held


def smooth_reliability(
    confidence: FloatArray, correct: BoolArray, bandwidth: float, *, points: int = 101
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The smoothed reliability curve with its band.

    The accuracy at ``t`` is the mean of ``correct`` weighted by the kernel around ``t`` (Nadaraya 1964, Watson 1964); its 95
    % band is that of a weighted mean, 1.96 standard errors, within [0, 1].

    Returns:
        ``(points,)`` each: confidences from the smallest to the largest, accuracy, the band's lower and upper end.
    """
    x, y = confidence.astype(np.float64), correct.astype(np.float64)
    at = np.linspace(x.min(), x.max(), points)
    width = max(bandwidth, 1 / CELLS)
    accuracy, error = np.empty(points), np.empty(points)
    for i, t in enumerate(at):
        images = ((x - t), (x + t), (2 - x - t))  # the kernel and its reflections at 0 and 1
        weight = sum(np.exp(-0.5 * (image / width) ** 2) for image in images)
        total = weight.sum()
        accuracy[i] = (weight * y).sum() / total
        error[i] = np.sqrt((weight**2 * (y - accuracy[i]) ** 2).sum()) / total
    reach = 1.959963984540054 * error
    return at, accuracy, np.clip(accuracy - reach, 0, 1), np.clip(accuracy + reach, 0, 1)
