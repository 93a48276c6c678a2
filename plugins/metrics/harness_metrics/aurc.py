"""Metric ``aurc``."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores
from harness.statistics.digits import exact
from harness.unknowns import whole


class RiskCoverage(Metric):
    """Area under the risk-coverage curve, and accuracy when only the most confident predictions are kept.

    The risk at coverage ``k/n`` is the error rate among the ``k`` most confident of ``n`` predictions (El-Yaniv and Wiener
    2010); predictions of equal confidence enter in expectation over their orders.

    * ``aurc``: mean risk over the coverages ``1/n .. 1`` (Geifman, Uziel and El-Yaniv 2019); 0 to 1, lower is better;
    * ``excess_aurc``: ``aurc`` less that of the best possible ranking of the same predictions; 0 to 1, lower is better;
    * ``selective_accuracy@s``: accuracy of the share ``s`` of predictions with the highest confidence; higher is better.

    Table ``risk_coverage``: ``population``, ``coverage``, ``risk``; at most 200 points. Populations ``clean``, ``deployed``.
    """

    api_version: ClassVar[int] = 1

    coverages: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.5, 0.8, 0.9)
    """Shares of predictions kept, for ``selective_accuracy``."""

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the deployed population."""
        import numpy as np
        import pandas as pd

        from harness_metrics.selective import best_area, risk_coverage

        scalars: dict[str, Score] = {}
        curves: list[pd.DataFrame] = []
        for name, predictions in whole(outcome).items():
            n = len(predictions.labels)
            coverage, risk = risk_coverage(predictions.confidence, ~predictions.correct)
            area = float(risk.mean())
            excess = max(0.0, area - best_area(~predictions.correct))
            scalars[f"aurc/{name}"] = Score(area, "lower", 0, 1, meaning="Area under the risk-coverage curve.")
            scalars[f"excess_aurc/{name}"] = Score(
                excess, "lower", 0, 1, meaning="Area under the risk-coverage curve above the best possible one."
            )
            for share in self.coverages:
                kept = max(1, round(share * n))
                scalars[f"selective_accuracy@{exact(share)}/{name}"] = Score(
                    1 - float(risk[kept - 1]),
                    "higher",
                    0,
                    1,
                    meaning=f"Accuracy of the share {exact(share)} of predictions with the highest confidence.",
                )
            shown = np.unique(np.linspace(0, n - 1, min(n, 200)).round().astype(int))
            curves.append(pd.DataFrame({"population": name, "coverage": coverage[shown], "risk": risk[shown]}))
        return Scores(scalars, {"risk_coverage": pd.concat(curves, ignore_index=True)})
