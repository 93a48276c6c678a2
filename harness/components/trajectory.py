"""What fine-tuning passed through, for valuation methods that look at training itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.components.example import Example
from harness.components.model import Model
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.components.order import EpochOrder
    from harness.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One fine-tuning, as states of the network between its steps.

    The first state is the network before any step; others follow at the end of each epoch, and every so many steps if that was
    asked for. Logits and features are those of evaluation: without dropout. The features are what the last layer reads, so that
    logits are ``W h + b`` and the gradient of a point's cross-entropy by ``(W, b)`` is ``(p - y) (h, 1)``.

    Attributes:
        train_logits: ``(c, n_train, K)`` float32, of the training points at each of ``c`` states.
        train_features: ``(c, n_train, d)`` float32.
        valid_logits: ``(c, n_valid, K)`` float32.
        valid_features: ``(c, n_valid, d)`` float32.
        steps: ``(c,)`` int64, ascending from 0: how many of the ``s`` steps come before each state.
        batches: ``(s, b)`` int64, the training points of each step in no particular order; -1 fills up smaller batches.
        learning_rates: ``(s,)`` float64, the step size of each step.
        epochs: Passes over the training set; ``s`` is a multiple of it.

    Raises:
        harness.errors.DataError: Shapes that do not fit, or steps, batches and rates that describe no training.
    """

    train_logits: FloatArray
    train_features: FloatArray
    valid_logits: FloatArray
    valid_features: FloatArray
    steps: IntArray
    batches: IntArray
    learning_rates: FloatArray
    epochs: int

    def __post_init__(self) -> None:
        import numpy as np

        c, n, m = len(self.steps), *(a.shape[1] if a.ndim == 3 else -1 for a in (self.train_logits, self.valid_logits))
        for name, rows in (("train_logits", n), ("train_features", n), ("valid_logits", m), ("valid_features", m)):
            array = getattr(self, name)
            if array.ndim != 3 or array.shape[:2] != (c, rows):
                raise DataError(f"{name} has the shape {array.shape}; expected (states, points, size) for {c} states.")
        for what in ("logits", "features"):
            sizes = [getattr(self, f"{part}_{what}").shape[2] for part in ("train", "valid")]
            if sizes[0] != sizes[1]:
                raise DataError(f"train_{what} has {sizes[0]} columns and valid_{what} {sizes[1]}.")
        total = len(self.batches)
        if self.batches.ndim != 2 or len(self.learning_rates) != total or self.epochs < 1 or total % self.epochs:
            raise DataError(
                f"{total} batches and {len(self.learning_rates)} learning rates are no training of {self.epochs} epochs: "
                "expected one of each for every step, and as many steps in each epoch."
            )
        if not c or self.steps[0] != 0 or self.steps[-1] != total or not (np.diff(self.steps) > 0).all():
            raise DataError(
                f"The states of {total} steps must go from step 0 to the last one, each later than the one before."
            )
        if total and not -1 <= self.batches.min() <= self.batches.max() < n:
            raise DataError(f"batches name training points outside of 0..{n - 1}.")

    @property
    def n_train(self) -> int:
        """Number of training points."""
        return int(self.train_logits.shape[1])

    def ends(self) -> IntArray:
        """``(epochs,)`` which states are at the end of an epoch."""
        import numpy as np

        per_epoch = len(self.batches) // self.epochs
        found: IntArray = np.flatnonzero((self.steps > 0) & (self.steps % per_epoch == 0))
        return found

    def taking(self, rows: IntArray) -> Trajectory:
        """The same training as some of its points see it, or all in another order: point ``i`` is what ``rows[i]`` was."""
        import numpy as np

        places = np.full(self.n_train + 1, -1, dtype=np.int64)  # the last is for -1
        places[rows] = np.arange(len(rows))
        return Trajectory(
            self.train_logits[:, rows],
            self.train_features[:, rows],
            self.valid_logits,
            self.valid_features,
            self.steps,
            places[self.batches],
            self.learning_rates,
            self.epochs,
        )


class TracedModel(Model):
    """A model that can say what its fine-tuning passes through."""

    @abstractmethod
    def trace(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        *,
        num_labels: int,
        seed: int,
        weights: FloatArray | None = None,
        order: EpochOrder | None = None,
        labels: Sequence[str] | None = None,
        every: int | None = None,
    ) -> Trajectory:
        """Fine-tune as :meth:`~harness.components.Model.fine_tune_resumable` does, to the bit, and tell what it passes through.

        Args:
            train: As there; the trajectory's training points are in this order.
            validation: Points that are looked at in every state, and learned from in none.
            num_labels: As there.
            seed: As there.
            weights: As there.
            order: As there.
            labels: As there.
            every: Steps between two states; ``None`` for the ends of epochs alone, which are always among them.

        Raises:
            InputError: The network has no last layer whose inputs are one vector for each text.
        """
