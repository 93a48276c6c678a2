"""Unknown unknowns: what they are, over which predictions they are counted, and the one place that counts them.

A prediction is an unknown unknown at τ (UU@τ) when it is wrong and its confidence is at least τ (Attenberg, Ipeirotis and
Provost 2015; thesis definition 3.1). The bound is inclusive and is compared in the type of the confidence: a float32 confidence
of 0.65 counts at 0.65, though its value as a float64 is another.

Three populations are kept apart and never added up:

- ``clean``: every test example, unperturbed;
- ``perturbed``: the successful attacks only, right before and wrong after (the thesis's UU column);
- ``deployed``: every test example, perturbed where the attack succeeded and as it was otherwise.

Where only a sample of the test set is attacked, ``perturbed`` and ``deployed`` are of that sample, and ``clean`` is of all.

Metrics take them from an outcome (:func:`populations`), reports from a record's files (:func:`separate`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from harness.components.probabilities import require_proper
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.components.example import Example
    from harness.components.metric import Outcome
    from harness.types import BoolArray, FloatArray, IntArray

CLEAN, PERTURBED, DEPLOYED = POPULATIONS = ("clean", "perturbed", "deployed")

TAUS: Sequence[float] = tuple(round(0.5 + step / 200, 3) for step in range(101))
"""The thresholds of a curve over τ of two classes: 0.5 to 1 in steps of 0.005."""


def taus(classes: int) -> Sequence[float]:
    """The thresholds of a curve over τ: from the least confidence that there can be, 1/K, to 1 in steps of 0.005."""
    first = math.ceil(200 / classes - 1e-9)
    return tuple(round(step / 200, 3) for step in range(first, 201))


class _Mask(Protocol):
    def __and__(self, other: Any, /) -> Any: ...


Mask = TypeVar("Mask", bound=_Mask)


def confident(confidence: Any, tau: float) -> Any:
    """Where a confidence is at least ``tau``, in its own type: of NumPy arrays and scalars, and of torch tensors.

    Both round a plain float to the type of the array before they compare (NEP 50), which is the rule of this module.
    """
    return confidence >= float(tau)


def is_uu(wrong: Mask, confidence: Any, tau: float) -> Mask:
    """Which predictions are unknown unknowns at ``tau``: a mask like ``wrong``, of NumPy or torch."""
    found: Mask = wrong & confident(confidence, tau)
    return found


def quota(fraction: float, examples: int) -> int:
    """How many unknown unknowns are elicited from a training set: a share of it, at least one (protocol, step 5)."""
    return max(1, round(fraction * examples))


@dataclass(frozen=True)
class Predictions:
    """What a classifier predicted for labelled examples.

    Attributes:
        labels: ``(n,)`` true class indices.
        probs: ``(n, K)`` class probabilities; every row sums to 1.
        counts: ``(n,)`` bool, the examples that belong to the population.
    """

    labels: IntArray
    probs: FloatArray
    counts: BoolArray

    @classmethod
    def all(cls, labels: IntArray, probs: FloatArray) -> Predictions:
        """Predictions all of which count."""
        import numpy as np

        return cls(labels, probs, np.ones(len(labels), dtype=bool))

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
        """``(n,)`` whether the predicted class is the true one, in the population or not."""
        correct: BoolArray = self.predicted == self.labels
        return correct

    @cached_property
    def wrong(self) -> BoolArray:
        """``(n,)`` the errors: in the population, and not :attr:`correct`."""
        return self.counts & ~self.correct

    def counted(self) -> Predictions:
        """The predictions that belong to the population, alone."""
        return Predictions.all(self.labels[self.counts], self.probs[self.counts])

    def confident(self, tau: float) -> BoolArray:
        """``(n,)`` where the confidence is at least ``tau``, in the population or not."""
        found: BoolArray = confident(self.confidence, tau)
        return found

    def uu(self, tau: float) -> BoolArray:
        """``(n,)`` unknown unknowns: wrong, in the population, and confident with ``c >= tau``."""
        return is_uu(self.wrong, self.confidence, tau)

    def uu_counts(self, taus: Sequence[float] = TAUS) -> IntArray:
        """``(len(taus),)`` number of unknown unknowns at each threshold: ``uu(tau).sum()`` for a whole curve at once."""
        import numpy as np

        ascending = np.sort(self.confidence[self.wrong])
        bounds = np.asarray(taus, dtype=ascending.dtype)
        return np.asarray(len(ascending) - np.searchsorted(ascending, bounds, side="left"))


def separate(
    labels: IntArray,
    probs: FloatArray,
    attacked: FloatArray | None = None,
    succeeded: BoolArray | None = None,
    reached: BoolArray | None = None,
) -> dict[str, Predictions]:
    """The populations of a test set: ``clean``, and with an attack ``perturbed`` and ``deployed``, in this order.

    Args:
        labels: ``(n,)`` true class indices.
        probs: ``(n, K)`` probabilities of the unperturbed examples.
        attacked: ``(n, K)`` probabilities of the perturbed ones; ``None`` without an attack.
        succeeded: ``(n,)`` where the attack succeeded; needed with ``attacked``.
        reached: ``(n,)`` which examples were attacked; all of them if not given.
    """
    import numpy as np

    base = Predictions.all(labels, probs)
    if attacked is None or succeeded is None:
        return {CLEAN: base}
    after = np.where(succeeded[:, None], attacked, probs)
    return {
        CLEAN: base,
        PERTURBED: Predictions(labels, after, succeeded),
        DEPLOYED: Predictions(labels, after, base.counts if reached is None else reached),
    }


def populations(outcome: Outcome) -> dict[str, Predictions]:
    """The populations of an outcome, as of :func:`separate`.

    Raises:
        harness.errors.HarnessError: Rows that are no probabilities, or another shape than the test set.
    """
    labels, classes = outcome.labels, outcome.task.num_labels
    probs = checked(outcome.probs, outcome.test, classes, "clean test examples")
    if outcome.attacked is None:
        return separate(labels, probs)
    attacked = checked(outcome.attacked.probs, outcome.test, classes, "attacked test examples")
    return separate(labels, probs, attacked, outcome.attacked.succeeded, outcome.attacked.reached)


def clean(outcome: Outcome) -> Predictions:
    """Predictions on the unperturbed test set.

    Raises:
        harness.errors.HarnessError: See :func:`populations`.
    """
    probs = checked(outcome.probs, outcome.test, outcome.task.num_labels, "clean test examples")
    return Predictions.all(outcome.labels, probs)


def perturbed(outcome: Outcome) -> Predictions | None:
    """Predictions of the successful attacks (``counts`` marks them); ``None`` without an attack."""
    return populations(outcome).get(PERTURBED)


def deployed(outcome: Outcome) -> Predictions | None:
    """Predictions after the attack: perturbed where it succeeded, clean elsewhere; ``None`` without an attack."""
    return populations(outcome).get(DEPLOYED)


def whole(outcome: Outcome) -> dict[str, Predictions]:
    """The populations that hold every test example: ``clean``, and with an attack ``deployed``."""
    return {name: predictions for name, predictions in populations(outcome).items() if name != PERTURBED}


def checked(probs: FloatArray, examples: Sequence[Example], classes: int, what: str) -> FloatArray:
    """``probs``, if there is a row for each example, at least one, and every row is a probability distribution.

    Raises:
        harness.errors.DataError: The shape does not fit.
        harness.errors.HarnessError: A row that is none; the message names its example.
    """
    rows = len(examples)
    if not rows:
        raise DataError(f"There are no {what}, so nothing can be scored.")
    if probs.shape != (rows, classes):
        raise DataError(f"Probabilities of the {what} have the shape {probs.shape}; expected ({rows}, {classes}).")
    require_proper(probs, what, examples)
    return probs
