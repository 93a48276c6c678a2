"""Scores that a board has although no metric of the suite gives them: a proper one beside every calibration error.

A calibration error alone is won by a classifier that knows nothing and says so. Where records have one and neither a Brier
score nor a log score for the same population, the Brier score is computed from their predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.components.score_name import ScoreName
from harness.records.model import ScoreRecord

if TYPE_CHECKING:
    from harness.types import FloatArray
    from harness.unknowns import Predictions

CALIBRATION = frozenset({"ece", "smooth_ece", "classwise_ece"})
PROPER = ("brier", "nll")


def lacking_proper(names: Mapping[str, object]) -> list[str]:
    """Populations with a calibration error and no proper score."""
    parts = dict.fromkeys(score.part for score in map(ScoreName.parse, names) if score.head in CALIBRATION)
    return [part for part in parts if not any(f"{rule}/{part}" in names for rule in PROPER)]


def brier(found: Predictions) -> FloatArray:
    """``(n,)`` squared distance of the probabilities to the truth, in [0, 2]; ``nan`` outside of the population."""
    import numpy as np

    truth = np.eye(found.probs.shape[1])[found.labels]
    each: FloatArray = ((found.probs.astype(np.float64) - truth) ** 2).sum(axis=1)
    return np.where(found.counts, each, np.nan)


def brier_score(each: FloatArray) -> ScoreRecord:
    """The score of these contributions."""
    import numpy as np

    counted = each[~np.isnan(each)]
    return ScoreRecord(
        value=float(counted.mean()) if len(counted) else None,
        better="lower",
        low=0,
        high=2,
        n=None if len(counted) == len(each) else len(counted),
        decomposes=True,
        metric="brier",
        meaning="Mean squared distance between the probabilities and the truth, 0 to 2; derived from the predictions.",
    )
