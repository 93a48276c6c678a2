"""Metric ``smooth-ece``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.components import Metric, Outcome, Score, Scores
from harness.unknowns import whole

if TYPE_CHECKING:
    from harness.types import IntArray


class SmoothCalibrationError(Metric):
    """Smooth ECE: the calibration error of the confidence by kernels instead of bins, at a bandwidth that the data choose.

    ``smooth_ece`` (Błasiok and Nakkiran 2024) depends continuously on the predictions, which no error by bins does, and has no
    number of bins to choose; 0 is perfect, 1 the worst, lower is better. Like every calibration error it is small for a
    classifier that knows nothing and says so: read it beside ``brier`` or ``nll``.

    Table ``smooth_reliability``: ``population``, ``confidence``, ``accuracy``, ``low``, ``high`` (95 % band) at 101
    confidences. Populations are ``clean`` and ``deployed`` (after the attack).
    """

    api_version: ClassVar[int] = 1

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the deployed population."""
        import pandas as pd

        from harness_metrics.smooth import smooth_error, smooth_reliability

        scalars: dict[str, Score] = {}
        tables = []
        for name, predictions in whole(outcome).items():
            value = smooth_error(predictions.confidence, predictions.correct)
            meaning = "Smooth calibration error (Błasiok and Nakkiran 2024)."
            scalars[f"smooth_ece/{name}"] = Score(value, "lower", 0, 1, meaning=meaning)
            at, accuracy, low, high = smooth_reliability(predictions.confidence, predictions.correct, value)
            tables.append(
                pd.DataFrame({"population": name, "confidence": at, "accuracy": accuracy, "low": low, "high": high})
            )
        return Scores(scalars, {"smooth_reliability": pd.concat(tables, ignore_index=True)})

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The error of each resample, at a bandwidth of its own."""
        from harness_metrics.smooth import smooth_error

        found = whole(outcome)
        for rows in resamples:
            yield {
                f"smooth_ece/{name}": smooth_error(predictions.confidence[rows], predictions.correct[rows])
                for name, predictions in found.items()
            }
