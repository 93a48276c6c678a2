"""Forgetting events (Toneva et al. 2019, ICLR)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.network import TrajectoryValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class Forgetting(TrajectoryValuator):
    """How often a point that was right turns wrong in training (Toneva et al. 2019). Cost: O(states * N * K).

    Points that are never right count as forgotten once more than any other can be. Of few looks there are few different
    values: set `every`.
    """

    api_version: ClassVar[int] = 1

    every: int | None = Field(default=None, ge=1)
    """Steps between two looks at the training set; by default it is looked at once per epoch."""

    prefer: Literal["easy", "hard"] = "easy"
    """Which points have high values: those that are never forgotten, or those that often are."""

    def state_every(self) -> int | None:
        """See :meth:`harness.components.Valuator.state_every`."""
        return self.every

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 counts of events, negative where `easy` points are preferred; nothing is random."""
        import numpy as np

        right = problem.trajectory.train_logits[1:].argmax(axis=2) == problem.y_train
        events = (right[:-1] & ~right[1:]).sum(axis=0).astype(np.float64)
        events[~right.any(axis=0)] = len(right)
        values: FloatArray = -events if self.prefer == "easy" else events
        return values
