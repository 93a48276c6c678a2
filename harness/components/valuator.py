"""Contract of data valuation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.components.base import Component
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


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

    Raises:
        harness.errors.DataError: Shapes that do not fit, no rows, values that are not finite, labels out of range.
    """

    x_train: FloatArray
    y_train: IntArray
    x_valid: FloatArray
    y_valid: IntArray
    num_classes: int = 0

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
                    f"{name} has {int(bad.sum())} rows with NaN or infinite values (first: row {int(bad.argmax())})."
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


class Valuator(Component):
    """A data valuation method: one number per training point, higher is better for the validation set."""

    kind: ClassVar[str] = "valuator"

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


def _shape(array: object) -> str:
    import numpy as np

    a = np.asarray(array)
    return f"an array of shape {a.shape} and type {a.dtype}"
