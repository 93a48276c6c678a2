"""Cooperative games whose players are training points: what permutation samplers walk through.

A game is played by many permutations at once. :class:`LogisticGame` is the one of data valuation: the worth of a set of
points is the utility of a logistic predictor trained on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch

from harness_valuators.logistic import Logistic, Prepared
from harness_valuators.utility import Utility

GROWTH = 0.05
"""Share by which a set grows between two corrections of its predictor over all of its points."""


class Step(NamedTuple):
    """One more point in each of ``M`` sets.

    Attributes:
        gain: ``(M,)`` what the added points brought.
        shared: ``(M,)`` what the correction of the predictors brought: due to all points added since the last one.
        since: Number of those points, the last included; 0 when there was no correction.
        worth: ``(M,)`` worth of the sets now.
    """

    gain: torch.Tensor
    shared: torch.Tensor
    since: int
    worth: torch.Tensor


class Game(Protocol):
    """A cooperative game of ``players`` points."""

    players: int
    whole: float
    """Worth of the set of all players."""

    def walk(self, orders: torch.Tensor) -> Iterator[Step]:
        """Add points one by one.

        Args:
            orders: ``(M, L)`` int64, distinct players in each row.

        Yields:
            ``L`` steps.
        """


class LogisticGame:
    """The utility of logistic regressions, trained incrementally along permutations.

    A point that joins moves its predictor by one preconditioned step on its own loss, at a cost of O(D) per permutation.
    Each time the set has grown by 5 % (at first, with every point) all predictors take a few steps over all of their
    points, which brings them to the solution for the set, whatever the order of the points was.

    Args:
        data: Prepared problem.
        utility: Utility on its validation points.
        l2: Penalty of the predictor.
        steps: Steps of a correction; 0 for none, which is one epoch of online learning (G-Shapley).
    """

    def __init__(self, data: Prepared, utility: Utility, *, l2: float, steps: int) -> None:
        self.data, self.utility, self.correction = data, utility, steps
        self.model = Logistic(data.x, data.y, data.classes, l2, data.spectrum)
        self.players = len(data.y)
        self.empty = float(self._worth(self.model.zeros())[0])
        if steps:
            self.whole = float(self._worth(self.model.fit())[0])
        else:
            *_, last = self.walk(torch.arange(self.players, device=data.x.device)[None])
            self.whole = float(last.worth[0])

    def _worth(self, theta: torch.Tensor) -> torch.Tensor:
        return self.utility(self.model.logits(self.model.scores(theta, self.data.x_valid)))

    def walk(self, orders: torch.Tensor) -> Iterator[Step]:
        """See :meth:`Game.walk`."""
        model, count = self.model, len(orders)
        theta = model.zeros(count)
        members = model.x.new_zeros(self.players, count)
        columns = torch.arange(count, device=orders.device)
        worth = self._worth(theta)
        zero = torch.zeros_like(worth)
        corrected = 0
        for size in range(1, orders.shape[1] + 1):
            rows = orders[:, size - 1]
            x = model.x[rows].T  # (D, M)
            members[rows, columns] = 1.0
            residual = model.targets[rows] - model.probabilities(torch.einsum("dm,dmc->mc", x, theta))
            theta = theta + (x / model.preconditioner(float(size))[:, None])[..., None] * residual
            reached = self._worth(theta)
            gain, shared, since = reached - worth, zero, 0
            if self.correction and size - corrected >= max(1, int(GROWTH * size)):
                theta = model.steps(theta, members, self.correction, float(size))
                worth = self._worth(theta)
                shared, since, corrected = worth - reached, size - corrected, size
            else:
                worth = reached
            yield Step(gain, shared, since, worth)
