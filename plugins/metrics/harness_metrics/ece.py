"""Metric ``ece``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores
from harness.unknowns import whole

if TYPE_CHECKING:
    from harness.types import IntArray
    from harness_metrics.calibration import Reliability


class ExpectedCalibrationError(Metric):
    """Calibration errors of the confidence: equal width, equal mass, debiased, maximum; reliability curve.

    All compare, bin by bin, the mean confidence with the accuracy; 0 is perfect, 1 the worst; lower is better.

    * ``ece``: bins of equal width (Guo et al. 2017; thesis definition 2.1; Naeini et al. 2015);
    * ``ece_mass``: bins of equal mass (Nixon et al. 2019);
    * ``ece_debiased``: the same bins, with the bias of small bins subtracted (Kumar, Liang and Ma 2019);
    * ``mce``: the largest gap of a bin of equal width (Naeini et al. 2015).

    Table ``reliability``: ``population``, ``binning`` (``width`` or ``mass``), ``low``, ``high``, ``count``,
    ``confidence``, ``accuracy`` of each bin. Populations are ``clean`` and ``deployed`` (after the attack).
    """

    api_version: ClassVar[int] = 1

    bins: int = Field(default=15, ge=1, le=10_000)
    """Number of bins."""

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the deployed population."""
        import pandas as pd

        from harness_metrics.calibration import equal_mass, equal_width

        scalars: dict[str, Score] = {}
        tables: list[pd.DataFrame] = []
        for name, predictions in whole(outcome).items():
            width = equal_width(predictions.confidence, predictions.correct, self.bins)
            mass = equal_mass(predictions.confidence, predictions.correct, self.bins)
            meanings = {
                "ece": f"Expected calibration error, {self.bins} bins of equal width.",
                "ece_mass": f"Expected calibration error, {self.bins} bins of equal mass.",
                "ece_debiased": "The same less its bias from small bins (Kumar et al. 2019).",
                "mce": f"Largest calibration error of {self.bins} bins of equal width.",
            }
            for key, value in errors(width, mass).items():
                scalars[f"{key}/{name}"] = Score(value, better="lower", low=0, high=1, meaning=meanings[key])
            tables += [width.frame(population=name, binning="width"), mass.frame(population=name, binning="mass")]
        return Scores(scalars, {"reliability": pd.concat(tables, ignore_index=True)})

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The errors of bins that are made anew."""
        from harness_metrics.calibration import equal_mass, equal_width

        found = {name: (predictions.confidence, predictions.correct) for name, predictions in whole(outcome).items()}
        for rows in resamples:
            figures: dict[str, float] = {}
            for name, (confidence, correct) in found.items():
                drawn = confidence[rows], correct[rows], self.bins
                every = errors(equal_width(*drawn), equal_mass(*drawn))
                figures |= {f"{key}/{name}": value for key, value in every.items()}
            yield figures


def errors(width: Reliability, mass: Reliability) -> dict[str, float]:
    """The figures of bins of equal width and of equal mass."""
    return {
        "ece": width.error(),
        "ece_mass": mass.error(),
        "ece_debiased": mass.debiased_error(),
        "mce": width.largest_error(),
    }
