"""Metric ``classwise-ece``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores
from harness.unknowns import whole

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


class ClasswiseCalibrationError(Metric):
    """Class-wise ECE: the calibration error of every class's probability, not only of the one that was predicted.

    ``classwise_ece`` is the mean over the K classes of the expected calibration error of ``p_k`` against ``[y = k]``, in bins
    of equal width (Kull et al. 2019; Nixon et al. 2019 call it SCE); 0 is perfect, 1 the worst, lower is better.

    Table ``classwise``: ``population``, ``label``, ``error``. Populations are ``clean`` and ``deployed`` (after the attack).
    """

    api_version: ClassVar[int] = 1

    bins: int = Field(default=15, ge=1, le=10_000)
    """Number of bins."""

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the deployed population."""
        import pandas as pd

        scalars: dict[str, Score] = {}
        tables = []
        for name, predictions in whole(outcome).items():
            errors = self._errors(predictions.probs, predictions.labels)
            meaning = (
                f"Mean over classes of the calibration error of their probabilities, {self.bins} bins of equal width."
            )
            scalars[f"classwise_ece/{name}"] = Score(float(errors.mean()), "lower", 0, 1, meaning=meaning)
            tables.append(pd.DataFrame({"population": name, "label": outcome.task.labels, "error": errors}))
        return Scores(scalars, {"classwise": pd.concat(tables, ignore_index=True)})

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The error in bins that are made anew."""
        found = whole(outcome)
        for rows in resamples:
            yield {
                f"classwise_ece/{name}": float(self._errors(one.probs[rows], one.labels[rows]).mean())
                for name, one in found.items()
            }

    def _errors(self, probs: FloatArray, labels: IntArray) -> FloatArray:
        """``(K,)`` error of each class."""
        import numpy as np

        from harness_metrics.calibration import equal_width

        return np.array([equal_width(probs[:, k], labels == k, self.bins).error() for k in range(probs.shape[1])])
