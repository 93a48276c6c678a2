"""Contract of data valuation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from harness.components.base import Component
from harness.components.trajectory import Looks
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.components.example import Example
    from harness.components.model import Classifier
    from harness.components.trajectory import Trajectory
    from harness.types import FloatArray, IntArray

T = TypeVar("T")

Need = Literal["texts", "classifier", "trajectory"]
"""What a method may ask for beyond features and labels."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the things come from that a method may need beyond features and labels; each is called when it is asked for.

    Attributes:
        texts: The training and the validation examples, with their ids and tags, in the order of the features.
        classifier: The network fine-tuned on the training points.
        trajectory: What that fine-tuning passed through.
        rows: ``(n_train,)`` which of a larger problem's training points these are; ``None`` where they are all.
    """

    texts: Callable[[], tuple[Sequence[Example], Sequence[Example]]] | None = None
    classifier: Callable[[], Classifier] | None = None
    trajectory: Callable[[], Trajectory] | None = None
    rows: IntArray | None = None


@dataclass(frozen=True, slots=True)
class ValuationProblem:
    """Training points to be valued by what they do for performance on the validation points.

    Labels may come as any integer array; features as any float array. Both are checked.

    Attributes:
        x_train: ``(n_train, d)`` features, finite.
        y_train: ``(n_train,)`` class indices in ``0..K-1``.
        x_valid: ``(n_valid, d)`` features, finite.
        y_valid: ``(n_valid,)`` class indices in ``0..K-1``.
        num_classes: K; by default one more than the largest label of the two sets.
        sources: Where :attr:`texts`, :attr:`classifier` and :attr:`trajectory` come from, for methods that need them.

    Raises:
        harness.errors.DataError: Shapes that do not fit, no rows, values that are not finite, labels out of range.
    """

    x_train: FloatArray
    y_train: IntArray
    x_valid: FloatArray
    y_valid: IntArray
    num_classes: int = 0
    sources: Sources = field(default_factory=Sources)

    def __post_init__(self) -> None:
        import numpy as np

        for name in ("x_train", "x_valid"):
            x = np.asarray(getattr(self, name))
            if x.ndim != 2 or not np.issubdtype(x.dtype, np.number):
                raise DataError(f"{name} must be a 2-d array of numbers (rows, features), not {_shape(x)}.")
            x = x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float32)
            bad = ~np.isfinite(x).all(axis=1)
            if bad.any():
                raise DataError(
                    f"{name} has NaN or infinite values in {int(bad.sum())} of its rows (first: row {int(bad.argmax())})."
                )
            object.__setattr__(self, name, x)
        for name in ("y_train", "y_valid"):
            y = np.asarray(getattr(self, name))
            if y.ndim != 1 or not (np.issubdtype(y.dtype, np.integer) or y.dtype == bool):
                raise DataError(f"{name} must be a 1-d array of integer class indices, not {_shape(y)}.")
            object.__setattr__(self, name, y.astype(np.int64))
        for part in ("train", "valid"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if len(x) != len(y):
                raise DataError(f"x_{part} has {len(x)} rows but y_{part} has {len(y)} labels.")
            if not len(x):
                raise DataError(f"x_{part} is empty: valuation needs at least one training and one validation point.")
        if self.x_train.shape[1] != self.x_valid.shape[1]:
            raise DataError(f"x_train has {self.x_train.shape[1]} features but x_valid has {self.x_valid.shape[1]}.")
        lowest = int(min(self.y_train.min(), self.y_valid.min()))
        highest = int(max(self.y_train.max(), self.y_valid.max()))
        if lowest < 0:
            raise DataError(f"Labels must be class indices from 0; found {lowest}.")
        if not self.num_classes:
            object.__setattr__(self, "num_classes", max(2, highest + 1))
        if highest >= self.num_classes:
            raise DataError(
                f"Label {highest} is out of range for {self.num_classes} classes (0..{self.num_classes - 1})."
            )

    @property
    def n_train(self) -> int:
        """Number of training points."""
        return len(self.y_train)

    @property
    def texts(self) -> tuple[Sequence[Example], Sequence[Example]]:
        """The training and the validation examples.

        Raises:
            DataError: The problem has none, or not as many as labels.
        """
        train, valid = _asked(self.sources.texts, "texts", "the examples")
        if (len(train), len(valid)) != (self.n_train, len(self.y_valid)):
            raise DataError(
                f"The problem has {self.n_train} training and {len(self.y_valid)} validation points, but {len(train)} and "
                f"{len(valid)} texts."
            )
        return train, valid

    @property
    def classifier(self) -> Classifier:
        """The network fine-tuned on the training points.

        Raises:
            DataError: The problem has none.
        """
        return _asked(self.sources.classifier, "classifier", "a fine-tuned classifier")

    @property
    def trajectory(self) -> Trajectory:
        """What fine-tuning on the training points passed through.

        Raises:
            DataError: The problem has none, or one of other points or classes.
        """
        found = _asked(self.sources.trajectory, "trajectory", "a trajectory of fine-tuning")
        sizes = (*found.train_logits.shape[1:], found.valid_logits.shape[1])
        if sizes != (self.n_train, self.num_classes, len(self.y_valid)):
            raise DataError(
                f"The trajectory is of {sizes[0]} training and {sizes[2]} validation points in {sizes[1]} classes; the problem "
                f"has {self.n_train} and {len(self.y_valid)} in {self.num_classes}."
            )
        return found

    def taking(self, rows: IntArray) -> ValuationProblem:
        """The problem of some of its training points; a trajectory stays that of training on all."""
        sources = self.sources
        return ValuationProblem(
            self.x_train[rows],
            self.y_train[rows],
            self.x_valid,
            self.y_valid,
            self.num_classes,
            Sources(
                None if sources.texts is None else lambda: ([self.texts[0][int(row)] for row in rows], self.texts[1]),
                sources.classifier,
                None if sources.trajectory is None else lambda: self.trajectory.taking(rows),
                rows if sources.rows is None else sources.rows[rows],
            ),
        )


class Valuator(Component):
    """A data valuation method: one number per training point, higher is better for the validation set."""

    kind: ClassVar[str] = "valuator"

    needs: ClassVar[frozenset[Need]] = frozenset()
    """What the method asks its problem for beyond features and labels."""

    def looks(self) -> Looks:
        """What is to be seen of the trajectory that it needs; by default the network at the end of each epoch."""
        return Looks(states="epochs")

    @abstractmethod
    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """Value the training points.

        Args:
            problem: Features and labels of the training and validation points.
            seed: Decides everything random; the same seed gives the same bits.

        Returns:
            ``(n_train,)`` finite floats; a higher value means the point helps more. Where the method defines a range, it is
            kept (DVRL's are selection probabilities in ``[0, 1]``).
        """

    def attributions(self, problem: ValuationProblem, *, seed: int) -> FloatArray | None:
        """What each training point does for each single validation point, of methods that can tell.

        Args:
            problem: As for :meth:`value`.
            seed: As for :meth:`value`.

        Returns:
            ``(n_train, n_valid)`` finite floats; their mean over validation points is what :meth:`value` gives with the same
            seed. ``None`` for methods that value for all validation points together.
        """
        return None


def _asked(source: Callable[[], T] | None, name: str, what: str) -> T:
    if source is None:
        raise DataError(
            f"The method needs {what}, and the problem has none: give it `sources=Sources({name}=...)`.",
            hint="In a suite, `needs` of the valuator's class says what it gets.",
        )
    return source()


def _shape(array: object) -> str:
    import numpy as np

    a = np.asarray(array)
    return f"an array of shape {a.shape} and type {a.dtype}"
