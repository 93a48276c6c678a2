"""What fine-tuning passed through, for valuation methods that look at training itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.components.example import Example
from harness.components.model import Classifier, Model
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.components.order import EpochOrder
    from harness.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Looks:
    """What a method wants to be seen of a fine-tuning. Each thing has its price, so none is had unasked.

    Attributes:
        passing: Logits and features of training points as they pass by: those of training's own forward pass, with dropout,
            before the step that learns from them. No pass is made for it.
        states: Logits and features of all training and validation points, without dropout: at the end of each epoch, at the end
            of training, or never. Each state is a forward pass over all of them.
        every: Steps between further states, of which one is before the first step; ``None`` for no further ones.
        validation: Validation points that are looked at before every step, without dropout. They take turns, in an order that
            is drawn anew for each round.
        products: Inner products of each training point's gradient, in the step that learns from it, with that of the
            validation points before it, by the parameters of the whole network. A backward pass over these.
        gradients: Numbers to which each point's gradient by the whole network is projected in every state; 0 for none. A
            backward pass over all points.
    """

    passing: bool = False
    states: Literal["none", "last", "epochs"] = "none"
    every: int | None = None
    validation: int = 0
    products: bool = False
    gradients: int = 0

    def wants(self, done: int, last: bool, total: int) -> bool:
        """Whether there is a state after ``done`` of ``total`` steps; ``last``: it is the end of an epoch."""
        if self.every is not None and done % self.every == 0:
            return True
        return done > 0 and last and (self.states == "epochs" or (self.states == "last" and done == total))

    def along(self, other: Looks) -> Looks | None:
        """What has both; ``None`` where one look cannot serve both to the bit."""
        both = (self, other)
        apart = [
            {value for looks in both if (value := getattr(looks, name))}
            for name in ("every", "validation", "gradients")
        ]
        if any(len(values) > 1 for values in apart):
            return None
        states = max((looks.states for looks in both), key=("none", "last", "epochs").index)
        every, validation, gradients = (max(values, default=None) for values in apart)
        passing, products = (getattr(self, name) or getattr(other, name) for name in ("passing", "products"))
        return Looks(passing, states, every, validation or 0, products, gradients or 0)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One fine-tuning: states of the network between its steps, and what was seen in the steps themselves.

    Features are what the last layer reads, so that logits are ``W h + b`` and the gradient of a point's cross-entropy by
    ``(W, b)`` is ``(p - y) (h, 1)``. What was not asked for (:class:`Looks`) is not there: no states, or ``None``.

    Attributes:
        train_logits: ``(c, n_train, K)`` float32, of the training points at each of ``c`` states, without dropout.
        train_features: ``(c, n_train, d)`` float32, likewise.
        valid_logits: ``(c, n_valid, K)`` float32, likewise of the validation points.
        valid_features: ``(c, n_valid, d)`` float32, likewise.
        steps: ``(c,)`` int64, ascending: how many of the ``s`` steps come before each state.
        batches: ``(s, b)`` int64, the training points of each step in no particular order; -1 fills up smaller batches.
        learning_rates: ``(s,)`` float64, the step size of each step.
        epochs: Passes over the training set; ``s`` is a multiple of it.
        passing_logits: ``(epochs, n_train, K)`` float32, of each training point when it was learned from, with dropout and
            before that step.
        passing_features: ``(epochs, n_train, d)`` float32, likewise.
        glance_rows: ``(s, v)`` int64, the validation points that were looked at before each step.
        glance_logits: ``(s, v, K)`` float32, theirs, without dropout.
        glance_features: ``(s, v, d)`` float32, theirs.
        products: ``(s, b)`` float64, in the order of ``batches``: of each point's share in the gradient of its batch's loss,
            with dropout, with the gradient of the mean cross-entropy of the points that were looked at before the step.
        train_gradients: ``(c, n_train, g)`` float32, projected gradients of the log-odds ``log(p / (1 - p))`` of each point's
            label by all parameters, without dropout. That of its cross-entropy is ``-(1 - p)`` times as large.
        valid_gradients: ``(c, n_valid, g)`` float32, likewise, by the same projection.

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
    passing_logits: FloatArray | None = None
    passing_features: FloatArray | None = None
    glance_rows: IntArray | None = None
    glance_logits: FloatArray | None = None
    glance_features: FloatArray | None = None
    products: FloatArray | None = None
    train_gradients: FloatArray | None = None
    valid_gradients: FloatArray | None = None

    def __post_init__(self) -> None:
        import numpy as np

        c, n, m = len(self.steps), *(a.shape[1] if a.ndim == 3 else -1 for a in (self.train_logits, self.valid_logits))
        total = len(self.batches)
        seen = 0 if self.glance_rows is None else self.glance_rows.shape[-1]
        first = {
            "train": (c, n, "states, points"),
            "valid": (c, m, "states, points"),
            "passing": (self.epochs, n, "epochs, points"),
            "glance": (total, seen, "steps, points"),
        }
        for part, (rows, columns, what) in first.items():
            for name in (f"{part}_logits", f"{part}_features"):
                array = getattr(self, name)
                if array is not None and (array.ndim != 3 or array.shape[:2] != (rows, columns)):
                    shape = f"({rows}, {columns}, size)"
                    raise DataError(f"{name} has the shape {array.shape}; expected ({what}, size) = {shape}.")
        for name, begins in (
            ("products", self.batches.shape),
            ("train_gradients", (c, n)),
            ("valid_gradients", (c, m)),
        ):
            array = getattr(self, name)
            if array is not None and array.shape[:2] != begins:
                raise DataError(f"{name} has the shape {array.shape}; it must begin with {begins}.")
        for what in ("logits", "features"):
            found = {part: array.shape[2] for part in first if (array := getattr(self, f"{part}_{what}")) is not None}
            for part, size in found.items():
                if size != found["train"]:
                    raise DataError(f"train_{what} has {found['train']} columns and {part}_{what} {size}.")
        if self.batches.ndim != 2 or len(self.learning_rates) != total or self.epochs < 1 or total % self.epochs:
            raise DataError(
                f"{total} batches and {len(self.learning_rates)} learning rates are no training of {self.epochs} epochs: "
                "expected one of each for every step, and as many steps in each epoch."
            )
        if c and not (self.steps[0] >= 0 and self.steps[-1] == total and (np.diff(self.steps) > 0).all()):
            raise DataError(f"The states of {total} steps must go up to the last step, each later than the one before.")
        if total and not -1 <= self.batches.min() <= self.batches.max() < n:
            raise DataError(f"batches name training points outside of 0..{n - 1}.")
        turns = self.glance_rows
        if turns is not None and turns.size and not 0 <= turns.min() <= turns.max() < m:
            raise DataError(f"glance_rows name validation points outside of 0..{m - 1}.")

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
        names = ("train_logits", "train_features", "passing_logits", "passing_features", "train_gradients")
        arrays: dict[str, Any] = {name: array[:, rows] for name in names if (array := getattr(self, name)) is not None}
        return replace(self, batches=places[self.batches], **arrays)

    def narrowed(self, looks: Looks) -> Trajectory:
        """What somebody sees of the same training who asks for less."""
        import numpy as np

        total, per_epoch = len(self.batches), len(self.batches) // self.epochs
        kept = np.asarray([looks.wants(int(done), done % per_epoch == 0, total) for done in self.steps], dtype=bool)
        parts = [f"{part}_{what}" for part in ("train", "valid") for what in ("logits", "features", "gradients")]
        states = {name: array for name in ("steps", *parts) if (array := getattr(self, name)) is not None}
        arrays: dict[str, Any] = {name: array[kept] for name, array in states.items()}
        if not looks.gradients:
            arrays |= dict.fromkeys(("train_gradients", "valid_gradients"))
        if not looks.products:
            arrays["products"] = None
        if not looks.passing:
            arrays |= dict.fromkeys(("passing_logits", "passing_features"))
        if not looks.validation:
            arrays |= dict.fromkeys(("glance_rows", "glance_logits", "glance_features"))
        return replace(self, **arrays)


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
        looks: Looks,
        weights: FloatArray | None = None,
        order: EpochOrder | None = None,
        unfinished: Path | None = None,
        labels: Sequence[str] | None = None,
    ) -> tuple[Classifier, Trajectory]:
        """Fine-tune as :meth:`~harness.components.Model.fine_tune_resumable` does, to the bit, and tell what it passes through.

        Args:
            train: As there; the trajectory's training points are in this order.
            validation: Points that are looked at, and never learned from.
            num_labels: As there.
            seed: As there; it also draws in which order validation points are looked at.
            looks: What to look at.
            weights: As there.
            order: As there.
            unfinished: As there; what was seen goes on as well.
            labels: As there.

        Raises:
            InputError: The network has no last layer whose inputs are one vector for each text.
        """
