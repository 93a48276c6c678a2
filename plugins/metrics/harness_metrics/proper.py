"""Metrics ``brier`` and ``nll``: strictly proper scoring rules."""

from __future__ import annotations

from typing import ClassVar

from harness.components import Metric, Outcome, Score, Scores
from harness.unknowns import whole


class Brier(Metric):
    """Brier score: squared distance between the probabilities and the truth.

    ``brier`` is the mean of ``sum_k (p_k - [y = k])^2``, from 0 to 2, lower is better (Brier 1950; for two classes it is twice
    what libraries call the binary Brier score). Populations ``clean`` and ``deployed``.
    """

    api_version: ClassVar[int] = 1

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the deployed population."""
        import numpy as np

        scalars: dict[str, Score] = {}
        for name, predictions in whole(outcome).items():
            truth = np.eye(outcome.task.num_labels)[predictions.labels]
            each = ((predictions.probs.astype(np.float64) - truth) ** 2).sum(axis=1)
            meaning = "Brier score (1950): mean squared distance of the probabilities from the truth."
            scalars[f"brier/{name}"] = Score(float(each.mean()), "lower", 0, 2, each, meaning=meaning)
        return Scores(scalars)


class NegativeLogLikelihood(Metric):
    """Negative log-likelihood of the true class, in nats.

    ``nll`` is the mean of ``-log p(y|x)``, from 0 up, lower is better (Good 1952). A probability below float32's machine
    epsilon (1.2e-7) counts as that, so one hopeless example costs at most 15.9. Populations ``clean`` and ``deployed``.
    """

    api_version: ClassVar[int] = 1

    def score(self, outcome: Outcome) -> Scores:
        """Score the clean and the deployed population."""
        import numpy as np

        scalars: dict[str, Score] = {}
        for name, predictions in whole(outcome).items():
            likelihood = predictions.probs[np.arange(len(predictions.labels)), predictions.labels].astype(np.float64)
            each = -np.log(np.clip(likelihood, np.finfo(np.float32).eps, 1.0))
            meaning = "Mean negative log-probability of the true class, in nats."
            scalars[f"nll/{name}"] = Score(float(each.mean()), "lower", 0, None, each, meaning=meaning)
        return Scores(scalars)
