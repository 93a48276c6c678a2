"""Cooperative games whose players are training points: what permutation samplers walk through.

A game is played by many permutations at once. :class:`LogisticGame` is the one of data valuation: the worth of a set of
points is the utility of a logistic predictor trained on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch

from harness_valuators.logistic import LIMIT, Logistic, Prepared
from harness_valuators.utility import Utility

GROWTH = 0.05
"""Share by which a set grows between two corrections of its predictor over all of its points."""

PROBE = 2
"""Factor between the sizes of the sets whose error is measured."""


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


class _Probe(NamedTuple):
    """One predictor ``(D, 1, C)`` and its set ``(N,)``."""

    theta: torch.Tensor
    members: torch.Tensor


class LogisticGame:
    """The utility of logistic regressions, trained incrementally along permutations.

    A point that joins moves its predictor by what one Newton step on its own loss is expected to be, at a cost of O(D) per
    permutation. Each time the set has grown by 5 % (at first, with every point) and at the end of the walk, all predictors
    are brought to the solution for their sets, whatever the order of the points was.

    Args:
        data: Prepared problem, in float64.
        utility: Utility on its validation points.
        l2: Penalty of the predictor.
        tolerance: Share of its way to the solution that a correction leaves.
        limit: Largest number of iterations of a correction.
        online: No corrections, and one plain step for each point that joins: an epoch of online learning (G-Shapley).

    Attributes:
        empty: Worth of no points.
    """

    def __init__(
        self,
        data: Prepared,
        utility: Utility,
        *,
        l2: float,
        tolerance: float,
        limit: int = LIMIT,
        online: bool = False,
    ) -> None:
        self.precise, self.data, self.utility = data, data.to(torch.float32), utility
        self.tolerance, self.limit, self.online = tolerance, limit, online
        self.model = Logistic.of(self.data, l2)
        self.players = len(data.y)
        self.empty = float(self._worth(self.model.zeros())[0])
        self._probes: list[_Probe] = []
        if not online:
            self.whole = float(self._worth(Logistic.of(data, l2).fit().to(torch.float32))[0])
        else:
            *_, last = self.walk(torch.arange(self.players, device=data.x.device)[None])
            self.whole = float(last.worth[0])

    def error(self) -> float:
        """Largest error of the worth of a set, of some along the first permutation: against converged predictors in float64.

        Zero before a walk, and for online learning, whose worth is not one of sets.
        """
        if not self._probes:
            return 0.0
        theta = torch.cat([probe.theta for probe in self._probes], dim=1)
        members = torch.stack([probe.members for probe in self._probes], dim=1).double()
        model = Logistic.of(self.precise, self.model.l2)
        # of what is left: a thousandth of the error itself
        solved = model.converge(theta.double(), members, members.sum(0), tolerance=1e-3)
        worth = self.utility(model.logits(model.scores(solved, self.precise.x_valid)))
        return float((worth - self._worth(theta)).abs().max())

    def walk(self, orders: torch.Tensor) -> Iterator[Step]:
        """See :meth:`Game.walk`."""
        model, (count, length) = self.model, orders.shape
        theta = model.zeros(count)
        members = model.x.new_zeros(self.players, count)
        columns = torch.arange(count, device=orders.device)
        worth = self._worth(theta)
        zero = torch.zeros_like(worth)
        corrected, curvature, probing = 0, model.bound, not self._probes
        for size in range(1, length + 1):
            rows = orders[:, size - 1]
            members[rows, columns] = 1.0
            theta = theta + self._joining(theta, rows, size - 1, curvature)
            reached = self._worth(theta)
            gain, shared, since = reached - worth, zero, 0
            if not self.online and (size - corrected >= max(1, int(GROWTH * size)) or size == length):
                theta = model.converge(theta, members, float(size), tolerance=self.tolerance, limit=self.limit)
                worth = self._worth(theta)
                shared, since, corrected = worth - reached, size - corrected, size
                some = slice(0, 8)  # the mean over a few sets is that over all of them
                bends = model.bend(model.probabilities(model.scores(theta[:, some])))
                curvature = float((members[:, some, None] * bends).sum()) / float(members[:, some].sum())
                if probing and (not self._probes or size >= PROBE * float(self._probes[-1].members.sum())):
                    self._probes.append(_Probe(theta[:, :1].clone(), members[:, 0].clone()))
            else:
                worth = reached
            yield Step(gain, shared, since, worth)

    def _worth(self, theta: torch.Tensor) -> torch.Tensor:
        return self.utility(self.model.logits(self.model.scores(theta, self.data.x_valid)))

    def _joining(self, theta: torch.Tensor, rows: torch.Tensor, before: int, curvature: float) -> torch.Tensor:
        """``(D, M, C)``: how the predictors of sets of ``before`` points move when one more joins each.

        ``H^-1 x r / (1 + c x'H^-1 x)`` for a point's residual r and curvature c, and for H what it is on average for random
        sets of that size. The deterministic equivalent of ``(c X'X + l2)^-1`` for ``n`` random rows of second moment S is
        ``(n c S / (1 + e) + l2)^-1`` with ``e = c tr S (n c S / (1 + e) + l2)^-1`` (Silverstein and Bai 1995).
        """
        model = self.model
        x = model.x[rows].T
        p = model.probabilities(torch.einsum("dm,dmc->mc", x, theta))
        residual = model.targets[rows] - p
        if self.online:
            return (x / model.preconditioner(float(before + 1))[:, None])[..., None] * residual
        spread, excess = model.spectrum, 0.0
        for _ in range(10):
            expected = curvature * before / (1 + excess) * spread + model.l2
            excess = curvature * float((spread / expected).sum())
        step = x / expected[:, None]
        step = step / (1 + model.bend(p).sum(-1) * (x * step).sum(0))
        return step[..., None] * residual
