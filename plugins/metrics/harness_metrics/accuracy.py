"""Metric ``accuracy``."""

from __future__ import annotations

from typing import ClassVar

from harness.components import Metric, Outcome, Score, Scores


class Accuracy(Metric):
    """Accuracy before and after the attack; also balanced accuracy, macro F1 and Matthews correlation.

    ``/clean`` is the unperturbed test set. ``/attacked`` is the same test set after the attack: an example counts as right
    when it was right before and the attack on it failed (the *deployed* population of the protocol).

    * ``accuracy``: share of examples predicted right; 0 to 1;
    * ``balanced_accuracy``: mean, over the classes present, of the recall of the class; 0 to 1;
    * ``f1``: unweighted mean, over the classes, of the harmonic mean of precision and recall, 0 for a class that is never
      predicted; 0 to 1;
    * ``mcc``: correlation of predicted and true class, 0 when either is constant; -1 to 1 (Matthews 1975; Gorodkin 2004).

    Higher is better.
    """

    api_version: ClassVar[int] = 1

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the attacked test set."""
        import numpy as np
        from sklearn.metrics import f1_score, matthews_corrcoef, recall_score

        from harness_metrics.populations import clean, deployed

        scalars: dict[str, Score] = {}
        for name, predictions in (("clean", clean(outcome)), ("attacked", deployed(outcome))):
            if predictions is None:
                continue
            truth, guess = predictions.labels, predictions.predicted
            where = "before" if name == "clean" else "after"
            scalars[f"accuracy/{name}"] = Score(
                float(predictions.correct.mean()),
                better="higher",
                low=0,
                high=1,
                per_example=predictions.correct,
                meaning=f"Share of test examples predicted right {where} the attack.",
            )
            recalls = recall_score(truth, guess, labels=np.unique(truth), average="macro", zero_division=0.0)
            scalars[f"balanced_accuracy/{name}"] = Score(
                float(recalls), "higher", 0, 1, meaning=f"Mean recall of the classes {where} the attack."
            )
            classes = np.arange(outcome.task.num_labels)
            scalars[f"f1/{name}"] = Score(
                float(f1_score(truth, guess, labels=classes, average="macro", zero_division=0.0)),
                "higher",
                0,
                1,
                meaning=f"Macro-averaged F1 {where} the attack.",
            )
            scalars[f"mcc/{name}"] = Score(
                float(matthews_corrcoef(truth, guess)) if len({*truth.tolist(), *guess.tolist()}) > 1 else 0.0,
                "higher",
                -1,
                1,
                meaning=f"Matthews correlation coefficient {where} the attack.",
            )
        return Scores(scalars)
