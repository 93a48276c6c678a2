"""Forgetting events (Toneva et al. 2019, ICLR)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.components import Looks, ValuationProblem
from harness_valuators.network import TrajectoryValuator, passing

if TYPE_CHECKING:
    from harness.types import FloatArray


class Forgetting(TrajectoryValuator):
    """How often a point that was right turns wrong in training (Toneva et al. 2019). Cost: O(states * N * K).

    Points that are never right count as forgotten once more than any other can be. As in the paper a point is looked at when it
    is learned from, with dropout. Of few looks there are few different values: set `every` where there are few epochs.
    """

    api_version: ClassVar[int] = 1

    every: int | None = Field(default=None, ge=1)
    """Steps between two looks at the whole training set, without dropout, each a forward pass; by default points are looked at
    when they are learned from, once per epoch."""

    prefer: Literal["easy", "hard"] = "easy"
    """Which points have high values: those that are never forgotten, or those that often are."""

    def looks(self) -> Looks:
        """See :meth:`harness.components.Valuator.looks`."""
        return Looks(passing=True) if self.every is None else Looks(states="epochs", every=self.every)

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 counts of events, negative where `easy` points are preferred; nothing is random."""
        import numpy as np

        trajectory = problem.trajectory
        logits = passing(trajectory)[0] if self.every is None else trajectory.train_logits[1:]
        right = logits.argmax(axis=2) == problem.y_train
        events = (right[:-1] & ~right[1:]).sum(axis=0).astype(np.float64)
        events[~right.any(axis=0)] = len(right)
        values: FloatArray = -events if self.prefer == "easy" else events
        return values
