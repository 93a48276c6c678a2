"""In which order a training set is gone through, within each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray

First = Literal["high", "low", "mixed"]
"""What an epoch begins with: the highest values, the lowest, or some of all in every batch."""


@dataclass(frozen=True)
class EpochOrder:
    """Blocks of training examples that are seen one after the other, or in equal shares all along.

    Attributes:
        blocks: ``(n,)`` block of each training example, in ``0..b-1``.
        mixed: Deal the examples out, so that any stretch of an epoch holds about as much of each block as the whole does.
    """

    blocks: IntArray
    mixed: bool

    @classmethod
    def by_value(cls, values: FloatArray, first: First, blocks: int) -> EpochOrder:
        """Blocks of equal size (they differ by one example at most) by data value ``(n,)``; ties by their places.

        With ``first="low"`` block 0 has the lowest values, else the highest.
        """
        if first not in get_args(First):
            raise ValueError(f"first is {first!r}; expected one of {', '.join(get_args(First))}")
        keys = np.asarray(values, dtype=np.float64)
        ranked = np.argsort(keys if first == "low" else -keys, kind="stable")
        count = min(blocks, len(keys))
        found = np.empty(len(keys), dtype=np.int64)
        found[ranked] = np.arange(len(keys)) * count // max(1, len(keys))
        return cls(found, first == "mixed")

    def draw(self, generator: np.random.Generator) -> IntArray:
        """The order of one epoch, ``(n,)`` positions: shuffled inside of blocks."""
        shuffled = generator.permutation(len(self.blocks))
        if not self.mixed:
            ordered: IntArray = shuffled[np.argsort(self.blocks[shuffled], kind="stable")]
            return ordered
        blocks = self.blocks[shuffled]
        sizes = np.bincount(blocks)
        inside = np.empty(len(blocks), dtype=np.int64)  # how many of its block come before
        by_block = np.argsort(blocks, kind="stable")
        inside[by_block] = np.arange(len(blocks)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        dealt: IntArray = shuffled[np.lexsort((blocks, (inside + 0.5) / sizes[blocks]))]
        return dealt
