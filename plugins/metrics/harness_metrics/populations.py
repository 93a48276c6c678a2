"""Predictions of one arm, over the populations that the protocol keeps apart.

``clean``: every test example, unperturbed. ``perturbed``: the successful attacks only. ``deployed``: every test example,
perturbed where the attack succeeded and as it was otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import DataError, HarnessError

if TYPE_CHECKING:
    from harness.components import Outcome
    from harness.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Predictions:
    """What a classifier predicted for labelled examples.

    Attributes:
        labels: ``(n,)`` true class indices.
        probs: ``(n, K)`` class probabilities, finite.
        counts: ``(n,)`` bool, the examples that belong to the population.
    """

    labels: IntArray
    probs: FloatArray
    counts: BoolArray

    @cached_property
    def predicted(self) -> IntArray:
        """``(n,)`` class with the highest probability, the lowest index on ties."""
        predicted: IntArray = self.probs.argmax(axis=1)
        return predicted

    @cached_property
    def confidence(self) -> FloatArray:
        """``(n,)`` highest class probability, in ``[1/K, 1]``, in the type of ``probs``."""
        confidence: FloatArray = self.probs.max(axis=1)
        return confidence

    @cached_property
    def correct(self) -> BoolArray:
        """``(n,)`` whether the predicted class is the true one."""
        correct: BoolArray = self.predicted == self.labels
        return correct

    def uu(self, tau: float) -> BoolArray:
        """``(n,)`` unknown unknowns: wrong, in the population, and confident with ``c >= tau``.

        The threshold is rounded to the type of the probabilities first, so that a float32 confidence of 0.65 counts at 0.65
        (as a float64, 0.65 is slightly more than its float32 neighbour).
        """
        return self.counts & ~self.correct & (self.confidence >= self.confidence.dtype.type(tau))


def clean(outcome: Outcome) -> Predictions:
    """Predictions on the unperturbed test set.

    Raises:
        harness.errors.HarnessError: Probabilities that are not finite, or of another shape than the test set.
    """
    labels = outcome.labels
    probs = checked(outcome.probs, len(labels), outcome.task.num_labels, "clean test examples")
    return Predictions(labels, probs, np.ones(len(labels), dtype=bool))


def deployed(outcome: Outcome) -> Predictions | None:
    """Predictions after the attack: perturbed where it succeeded, clean elsewhere; ``None`` without an attack."""
    if outcome.attacked is None:
        return None
    base = clean(outcome)
    attacked = checked(outcome.attacked.probs, len(base.labels), outcome.task.num_labels, "attacked test examples")
    probs = np.where(outcome.attacked.succeeded[:, None], attacked, base.probs)
    return Predictions(base.labels, probs, base.counts)


def perturbed(outcome: Outcome) -> Predictions | None:
    """Predictions of the successful attacks (``counts`` marks them); ``None`` without an attack."""
    after = deployed(outcome)
    if after is None or outcome.attacked is None:
        return None
    return Predictions(after.labels, after.probs, outcome.attacked.succeeded)


def populations(outcome: Outcome) -> dict[str, Predictions]:
    """``clean``, and with an attack ``perturbed`` and ``deployed``, in this order."""
    found = {"clean": clean(outcome), "perturbed": perturbed(outcome), "deployed": deployed(outcome)}
    return {name: predictions for name, predictions in found.items() if predictions is not None}


def whole(outcome: Outcome) -> dict[str, Predictions]:
    """The populations that hold every test example: ``clean``, and with an attack ``deployed``."""
    return {name: predictions for name, predictions in populations(outcome).items() if name != "perturbed"}


def checked(probs: FloatArray, rows: int, classes: int, what: str) -> FloatArray:
    """``probs``, if it is ``(rows, classes)``, not empty, and made of numbers between 0 and 1.

    Raises:
        harness.errors.DataError: The shape does not fit.
        harness.errors.HarnessError: Values that are no probabilities, as a diverged classifier gives them.
    """
    if not rows:
        raise DataError(f"There are no {what}, so nothing can be scored.")
    if probs.shape != (rows, classes):
        raise DataError(f"Probabilities of the {what} have the shape {probs.shape}; expected ({rows}, {classes}).")
    # A little more than 1 is rounding; NaN fails both comparisons.
    bad = ~((probs >= 0) & (probs <= 1 + 1e-5)).all(axis=1)
    if bad.any():
        raise HarnessError(
            f"The classifier gave no probabilities for {int(bad.sum())} of {rows} {what} (first: row {int(bad.argmax())},"
            f" {probs[bad.argmax()].tolist()}).",
            hint="Fine-tuning probably diverged: try a lower learning rate.",
        )
    return probs


def tau_grid() -> Sequence[float]:
    """The thresholds of a curve over τ: 0.5 to 1 in steps of 0.005."""
    return [round(0.5 + step / 200, 3) for step in range(101)]
