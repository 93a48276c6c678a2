"""Metric ``ece``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores
from harness.unknowns import whole


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
            for key, value, meaning in (
                ("ece", width.error(), f"Expected calibration error, {self.bins} bins of equal width."),
                ("ece_mass", mass.error(), f"Expected calibration error, {self.bins} bins of equal mass."),
                ("ece_debiased", mass.debiased_error(), "The same less its bias from small bins (Kumar et al. 2019)."),
                ("mce", width.largest_error(), f"Largest calibration error of {self.bins} bins of equal width."),
            ):
                scalars[f"{key}/{name}"] = Score(value, better="lower", low=0, high=1, meaning=meaning)
            tables += [width.frame(population=name, binning="width"), mass.frame(population=name, binning="mass")]
        return Scores(scalars, {"reliability": pd.concat(tables, ignore_index=True)})
