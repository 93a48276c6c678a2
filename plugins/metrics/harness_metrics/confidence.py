"""Metric ``confidence``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores
from harness.unknowns import populations

if TYPE_CHECKING:
    from harness.types import IntArray


class Confidence(Metric):
    """Mean and spread of the confidence, overall and where the prediction is wrong.

    The confidence of a prediction is the highest class probability, ``c = max_k p(k|x)``, between ``1/K`` and 1
    (maximum softmax probability, Hendrycks and Gimpel 2017). Neither more nor less of it is better in itself; a count of
    unknown unknowns cannot be read without it (thesis 5.3.2).

    ``confidence`` is the mean over a population, ``confidence_std`` the standard deviation (dividing by n; 0 to 0.5), and
    ``confidence_wrong`` the mean over the wrong predictions of the population (lower is better; not defined when there
    is none). Table ``wrong_confidence``: histogram of the confidences of wrong predictions (thesis figures 5.3 to 5.6), one
    row per population and bin ``[low, high)``, the last bin closed.
    """

    api_version: ClassVar[int] = 1

    bins: int = Field(default=25, ge=1, le=1000)
    """Bins of the histogram between 0.5 (or ``1/K`` with more than two classes) and 1."""

    def score(self, outcome: Outcome) -> Scores:
        """Score every population."""
        import numpy as np
        import pandas as pd

        scalars: dict[str, Score] = {}
        histograms: list[pd.DataFrame] = []
        low = 1 / outcome.task.num_labels
        edges = low + (1 - low) * np.arange(self.bins + 1) / self.bins
        for name, predictions in populations(outcome).items():
            inside = predictions.counts
            confidence = predictions.confidence.astype(np.float64)
            present = confidence[inside]
            scalars[f"confidence/{name}"] = Score(
                float(present.mean()) if len(present) else float("nan"),
                low=low,
                high=1,
                per_example=np.where(inside, confidence, np.nan),
                meaning="Mean confidence of the predictions.",
            )
            scalars[f"confidence_std/{name}"] = Score(
                float(present.std()) if len(present) else float("nan"),
                low=0,
                high=(1 - low) / 2,
                meaning="Standard deviation of the confidence.",
            )
            wrong = predictions.wrong
            scalars[f"confidence_wrong/{name}"] = Score(
                float(confidence[wrong].mean()) if wrong.any() else float("nan"),
                better="lower",
                low=low,
                high=1,
                per_example=np.where(wrong, confidence, np.nan),
                meaning="Mean confidence of the wrong predictions.",
            )
            # Bounds in the type of the confidences, as thresholds are: 0.65 lies right of a bound at 0.65. Rounding may put a
            # uniform prediction a hair outside the range.
            bounds = edges.astype(predictions.confidence.dtype)
            counts, _ = np.histogram(np.clip(predictions.confidence[wrong], bounds[0], bounds[-1]), bins=bounds)
            histograms.append(pd.DataFrame({"population": name, "low": edges[:-1], "high": edges[1:], "count": counts}))
        return Scores(scalars, {"wrong_confidence": pd.concat(histograms, ignore_index=True)})

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The spread; the means decompose."""
        import numpy as np

        found = {
            f"confidence_std/{name}": (predictions.confidence.astype(np.float64), predictions.counts)
            for name, predictions in populations(outcome).items()
        }
        for rows in resamples:
            present = {name: confidence[rows][counts[rows]] for name, (confidence, counts) in found.items()}
            yield {name: float(part.std()) if len(part) else float("nan") for name, part in present.items()}
