"""Metric ``matched-uu``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.components import Metric, Outcome, Score, Scores
from harness.statistics.digits import exact
from harness.unknowns import Predictions, checked, confident, whole

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


class MatchedUnknownUnknowns(Metric):
    """Unknown unknowns at matched coverage, so that a merely less confident classifier does not win.

    1. A temperature is fitted to the arm's validation predictions (Guo et al. 2017), and one to the baseline arm's.
    2. The coverage is the share of the test predictions that the *baseline* arm makes with a calibrated confidence of at
       least τ. It is the same in every arm.
    3. In each arm that share of the predictions is kept, the most confident ones first; ``matched_uu@τ`` counts the wrong
       ones among them. Predictions tied at the cut count in part.

    Lowering all confidences changes nothing here; only ranking the wrong predictions lower does, or being right more often.
    ``matched_uu_rate@τ`` is the count divided by the number of test examples, ``matched_coverage@τ`` the share kept,
    ``temperature`` the arm's temperature (above 1: overconfident). Counts and rates from 0, lower is better.
    Populations ``clean`` and ``deployed``, each with a coverage of its own. Of the baseline arm itself, its own
    coverage is used.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"baseline"})

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the deployed population."""
        import numpy as np

        from harness_metrics.selective import kept_share

        own = _fit(outcome)
        reference = outcome if outcome.baseline is None else outcome.baseline
        other = own if outcome.baseline is None else _fit(reference)
        scalars = {
            "temperature": Score(
                own, low=0.05, high=20, meaning="Temperature fitted on the validation set; above 1: overconfident."
            )
        }
        base = whole(reference)
        for name, predictions in whole(outcome).items():
            if name not in base:
                continue
            confidence = _confidence(predictions, own)
            standard = _confidence(base[name], other)
            n = len(confidence)
            for tau in outcome.thresholds:
                kept = round(float(confident(standard, tau).mean()) * n)
                each = kept_share(confidence, kept) * ~predictions.correct
                contribution = each.astype(bool) if np.isin(each, (0, 1)).all() else each
                at = f"{exact(tau)}/{name}"
                scalars[f"matched_uu@{at}"] = Score(
                    float(each.sum()),
                    "lower",
                    0,
                    n,
                    contribution,
                    total=True,
                    meaning=f"Wrong among the {kept} most confident predictions: as many as the baseline arm makes with a"
                    f" calibrated confidence of at least {exact(tau)}.",
                )
                scalars[f"matched_uu_rate@{at}"] = Score(
                    float(each.mean()), "lower", 0, 1, contribution, meaning="The same as a share of all test examples."
                )
                scalars[f"matched_coverage@{at}"] = Score(
                    kept / n, low=0, high=1, meaning="Share of the predictions kept in every arm."
                )
        return Scores(scalars)

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The coverages, which the baseline's predictions alone decide; the temperature knows no test examples."""
        own = _fit(outcome)
        reference = outcome if outcome.baseline is None else outcome.baseline
        other = own if outcome.baseline is None else _fit(reference)
        base, names = whole(reference), whole(outcome)
        standard = {name: _confidence(base[name], other) for name in names if name in base}
        sure = {
            f"matched_coverage@{exact(tau)}/{name}": confident(confidence, tau)
            for name, confidence in standard.items()
            for tau in outcome.thresholds
        }
        for rows in resamples:
            shares = {name: round(float(mask[rows].mean()) * len(rows)) / len(rows) for name, mask in sure.items()}
            yield {"temperature": own, **shares}


def _fit(outcome: Outcome) -> float:
    import numpy as np

    from harness_metrics.calibration import temperature

    labels = np.asarray([example.label for example in outcome.validation], dtype=np.int64)
    classes = outcome.task.num_labels
    return temperature(checked(outcome.validation_probs, outcome.validation, classes, "validation examples"), labels)


def _confidence(predictions: Predictions, temperature: float) -> FloatArray:
    from harness_metrics.calibration import rescale

    confidence: FloatArray = rescale(predictions.probs, temperature).max(axis=1)
    return confidence
