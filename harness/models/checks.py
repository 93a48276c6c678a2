"""Whether a training set, and weights of its examples, can be learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.components.example import Example
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


def check_training_set(train: Sequence[Example], num_labels: int) -> IntArray:
    """The labels ``(n,)`` of a training set that can be learned from.

    Raises:
        DataError: It is empty, has a label outside ``0..num_labels-1``, or examples of one class only.
    """
    if not train:
        raise DataError("The training set is empty.")
    labels = np.asarray([example.label for example in train], dtype=np.int64)
    outside = (labels < 0) | (labels >= num_labels)
    if outside.any():
        first = train[int(outside.argmax())]
        raise DataError(
            f"{int(outside.sum())} training labels are outside 0..{num_labels - 1}; "
            f"the first is {first.label} (example {first.id or int(outside.argmax())})."
        )
    if len(np.unique(labels)) == 1:
        raise DataError(
            f"All {len(labels)} training examples have label {labels[0]}: a classifier needs at least two classes.",
            hint="Raise the limit on the training set, or check the label column.",
        )
    return labels


def check_weights(weights: FloatArray, n: int) -> FloatArray:
    """Loss weights as float32 ``(n,)``.

    Raises:
        DataError: Wrong shape, values that are negative or not finite, or nothing but zeros.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold is reported below
        array = np.asarray(weights, dtype=np.float64).astype(np.float32)
    if array.shape != (n,):
        raise DataError(f"Loss weights must have shape ({n},), one per training example, not {array.shape}.")
    bad = ~np.isfinite(array) | (array < 0)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} loss weights are negative or not finite; "
            f"the first is {array[bad.argmax()]} at position {int(bad.argmax())}."
        )
    if not array.any():
        raise DataError("All loss weights are zero: there is nothing to learn from.")
    return array
