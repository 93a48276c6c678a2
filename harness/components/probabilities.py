"""Class probabilities: what a row of them has to be, wherever one comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.components.example import Example
    from harness.types import BoolArray, FloatArray

TOLERANCE = 1e-5
"""How far a row's sum may be from 1 for few classes: some eighty times the rounding of a float32 softmax."""


@dataclass(frozen=True)
class Improper:
    """Rows that are no probability distribution.

    Attributes:
        row: The first of them.
        count: How many there are.
        reason: What is wrong with the first.
        diverged: Whether the first holds something that is no number, as a diverged classifier gives it.
    """

    row: int
    count: int
    reason: str
    diverged: bool


def proper(probs: FloatArray) -> BoolArray:
    """``(n,)``: which rows of ``(n, K)`` are distributions, with values in [0, 1] that sum to 1.

    Both hold up to the rounding of a softmax in float32, which grows with the number of classes.
    """
    import numpy as np

    slack = max(TOLERANCE, probs.shape[1] * float(np.finfo(np.float32).eps))
    # A sum of 1 without negative values has none above 1; NaN fails both comparisons.
    found: BoolArray = (probs.min(axis=1, initial=0) >= 0) & (np.abs(probs.sum(axis=1, dtype=np.float64) - 1) <= slack)
    return found


def improper(probs: FloatArray) -> Improper | None:
    """What is wrong with ``(n, K)`` class probabilities; ``None`` if all rows are :func:`proper`."""
    import numpy as np

    bad = ~proper(probs)
    if not bad.any():
        return None
    row = int(bad.argmax())
    first = probs[row].astype(np.float64)
    numbers = bool(np.isfinite(first).all())
    if not numbers:
        wrong = "has values that are no finite numbers"
    else:
        wrong = f"sums to {first.sum():.6g}, not to 1" if first.min() >= 0 else "has values below 0"
    shown = ", ".join(f"{value:.6g}" for value in first[:8]) + (", ..." if len(first) > 8 else "")
    return Improper(row, int(bad.sum()), f"[{shown}] {wrong}", not numbers)


def require_proper(probs: FloatArray, what: str, examples: Sequence[Example]) -> None:
    """Refuse ``(n, K)`` class probabilities of which a row is no distribution.

    Args:
        probs: The probabilities.
        what: What the rows are, in the plural: ``"test examples"``.
        examples: ``(n,)`` what each row is about, named in the message.

    Raises:
        HarnessError: With the first such row, its values and its sum.
    """
    found = improper(probs)
    if found is None:
        return
    name = f" ({examples[found.row].id})" if examples[found.row].id else ""
    raise HarnessError(
        f"The classifier gave no probabilities for {found.count} of {len(probs)} {what} (first: row {found.row}{name},"
        f" {found.reason}).",
        hint="Fine-tuning probably diverged: try a lower learning rate, or a longer warmup."
        if found.diverged
        else "A classifier returns class probabilities, not scores or logits: apply a softmax, or divide by the sum.",
    )
