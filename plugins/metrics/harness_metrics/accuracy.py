"""Metric ``accuracy``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from harness.components import Metric, Outcome, Score, Scores
from harness.types import FloatArray, IntArray
from harness.unknowns import clean, deployed


class Accuracy(Metric):
    """Accuracy before and after the attack; also balanced accuracy, macro F1 and Matthews correlation.

    ``/clean`` is the unperturbed test set. ``/attacked`` is the same test set after the attack: an example counts as right
    when it was right before and the attack on it failed (the *deployed* population of the protocol).

    * ``accuracy``: share of examples predicted right; 0 to 1;
    * ``balanced_accuracy``: mean, over the classes present, of the recall of the class; 0 to 1 (Brodersen et al. 2010);
    * ``f1``: unweighted mean, over the classes present or predicted, of the harmonic mean of precision and recall, 0 for a
      class that is never predicted right; 0 to 1 (van Rijsbergen 1979; macro-averaged as by Yang and Liu 1999);
    * ``mcc``: correlation of predicted and true class, 0 when either is constant; -1 to 1 (Matthews 1975; Gorodkin 2004).

    Higher is better. Computed by scikit-learn.
    """

    api_version: ClassVar[int] = 1

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the attacked test set."""
        scalars: dict[str, Score] = {}
        for name, predictions in (("clean", clean(outcome)), ("attacked", deployed(outcome))):
            if predictions is None:
                continue
            where = "before" if name == "clean" else "after"
            scalars[f"accuracy/{name}"] = Score(
                float(predictions.correct.mean()),
                better="higher",
                low=0,
                high=1,
                per_example=predictions.correct,
                meaning=f"Share of test examples predicted right {where} the attack.",
            )
            table = confusion(predictions.labels, predictions.predicted, outcome.task.num_labels)
            scalars[f"balanced_accuracy/{name}"] = Score(
                macro_recall(table), "higher", 0, 1, meaning=f"Mean recall of the classes {where} the attack."
            )
            scalars[f"f1/{name}"] = Score(
                macro_f1(table),
                "higher",
                0,
                1,
                meaning=f"Macro-averaged F1 {where} the attack.",
            )
            scalars[f"mcc/{name}"] = Score(
                matthews(table),
                "higher",
                -1,
                1,
                meaning=f"Matthews correlation coefficient {where} the attack.",
            )
        return Scores(scalars)

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The figures of the confusion table."""
        found = {name: p for name, p in (("clean", clean(outcome)), ("attacked", deployed(outcome))) if p is not None}
        for rows in resamples:
            figures: dict[str, float] = {}
            for name, predictions in found.items():
                table = confusion(predictions.labels[rows], predictions.predicted[rows], outcome.task.num_labels)
                figures |= {
                    f"balanced_accuracy/{name}": macro_recall(table),
                    f"f1/{name}": macro_f1(table),
                    f"mcc/{name}": matthews(table),
                }
            yield figures


# One table of counts serves all three: a bootstrap computes them hundreds of times, and library calls that check their
# arguments anew each time would take most of an evaluation. The tests hold them against scikit-learn.


def confusion(truth: IntArray, guess: IntArray, classes: int) -> FloatArray:
    """``(K, K)`` counts: rows are true classes, columns predicted ones."""
    import numpy as np

    counts: FloatArray = (
        np.bincount(truth * classes + guess, minlength=classes**2).reshape(classes, classes).astype(float)
    )
    return counts


def macro_recall(table: FloatArray) -> float:
    """Mean recall of the classes that are present."""
    present = table.sum(axis=1)
    return float((table.diagonal()[present > 0] / present[present > 0]).mean())


def macro_f1(table: FloatArray) -> float:
    """Mean F1 of the classes that are present or predicted, as scikit-learn takes them."""
    either = table.sum(axis=0) + table.sum(axis=1)
    return float((2 * table.diagonal()[either > 0] / either[either > 0]).mean())


def matthews(table: FloatArray) -> float:
    """The K-class correlation coefficient (Gorodkin 2004); 0 when truth or prediction is constant."""
    true, predicted, n = table.sum(axis=1), table.sum(axis=0), table.sum()
    spread = (n**2 - (predicted**2).sum()) * (n**2 - (true**2).sum())
    return float((table.trace() * n - true @ predicted) / spread**0.5) if spread > 0 else 0.0
