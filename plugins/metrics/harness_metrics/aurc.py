"""Metric ``aurc``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores
from harness.statistics.digits import exact
from harness.unknowns import whole

if TYPE_CHECKING:
    from harness.components.metric import Direction
    from harness.types import BoolArray, FloatArray, IntArray


class RiskCoverage(Metric):
    """Area under the risk-coverage curve, and accuracy when only the most confident predictions are kept.

    The risk at coverage ``k/n`` is the error rate among the ``k`` most confident of ``n`` predictions (El-Yaniv and Wiener
    2010); predictions of equal confidence enter in expectation over their orders.

    * ``aurc``: mean risk over the coverages ``1/n .. 1`` (Geifman, Uziel and El-Yaniv 2019); 0 to 1, lower is better;
    * ``augrc``: mean over the same coverages of the share of *all* predictions that is kept and wrong, which does not punish
      rare confident errors out of proportion (Traub et al. 2024); 0 to 1, lower is better;
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

        from harness_metrics.selective import risk_coverage

        scalars: dict[str, Score] = {}
        curves: list[pd.DataFrame] = []
        for name, predictions in whole(outcome).items():
            n = len(predictions.labels)
            coverage, risk = risk_coverage(predictions.confidence, ~predictions.correct)
            meanings = {
                "aurc": "Area under the risk-coverage curve.",
                "augrc": "Area under the generalised risk-coverage curve: mean share kept and wrong.",
                "excess_aurc": "Area under the risk-coverage curve above the best possible one.",
                **{
                    f"selective_accuracy@{exact(share)}": f"Accuracy of the share {exact(share)} of predictions with the "
                    "highest confidence."
                    for share in self.coverages
                },
            }
            for key, value in self._figures(risk, ~predictions.correct).items():
                better: Direction = "higher" if key.startswith("selective") else "lower"
                scalars[f"{key}/{name}"] = Score(value, better, 0, 1, meaning=meanings[key])
            shown = np.unique(np.linspace(0, n - 1, min(n, 200)).round().astype(int))
            curves.append(pd.DataFrame({"population": name, "coverage": coverage[shown], "risk": risk[shown]}))
        return Scores(scalars, {"risk_coverage": pd.concat(curves, ignore_index=True)})

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The figures of curves that are made anew."""
        from harness_metrics.selective import risk_coverage

        found = {name: (predictions.confidence, ~predictions.correct) for name, predictions in whole(outcome).items()}
        for rows in resamples:
            figures: dict[str, float] = {}
            for name, (confidence, wrong) in found.items():
                _, risk = risk_coverage(confidence[rows], wrong[rows])
                figures |= {f"{key}/{name}": value for key, value in self._figures(risk, wrong[rows]).items()}
            yield figures

    def _figures(self, risk: FloatArray, wrong: BoolArray) -> dict[str, float]:
        """The figures of a risk-coverage curve."""
        import numpy as np

        from harness_metrics.selective import best_area

        area, n = float(risk.mean()), len(risk)
        kept = {share: max(1, round(share * n)) for share in self.coverages}
        return {
            "aurc": area,
            "augrc": float((risk * np.arange(1, n + 1)).mean()) / n,
            "excess_aurc": max(0.0, area - best_area(wrong)),
            **{f"selective_accuracy@{exact(share)}": 1 - float(risk[k - 1]) for share, k in kept.items()},
        }
