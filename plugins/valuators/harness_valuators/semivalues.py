"""Monte Carlo estimation of semivalues (Shapley, Beta Shapley, distributional Shapley) from random permutations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.progress import progress
from harness_valuators.games import Game

if TYPE_CHECKING:
    from harness.types import FloatArray


@dataclass(frozen=True)
class Estimate:
    """Values with their sampling error.

    Attributes:
        values: ``(N,)`` float64.
        standard_errors: ``(N,)`` float64, of ``values``; infinite with fewer than two samples.
        permutations: Number of permutations walked through.
        marginals: Number of marginal contributions that were computed.
        predictor_error: Largest error found in the worth of a set because its predictor is not quite trained, in units of
            the utility (see :meth:`harness_valuators.games.LogisticGame.error`).
    """

    values: FloatArray
    standard_errors: FloatArray
    permutations: int
    marginals: int
    predictor_error: float = 0.0

    @property
    def reliability(self) -> float:
        """Share of the variance of the values that is not sampling noise, in [0, 1].

        It is the correlation to be expected between two runs of this length.
        """
        spread = float(self.values.var())
        noise = float((self.standard_errors**2).mean())
        return max(0.0, 1 - noise / spread) if spread > 0 and np.isfinite(noise) else 0.0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How many permutations are walked through, how far, and what their marginal contributions count.

    Attributes:
        weights: ``(L,)`` factors of marginal contributions by position, L <= N: walks end after L points.
        permutations: Largest number of permutations.
        batch: Permutations walked through at once.
        visited_only: Average over the permutations that reached a point (distributional Shapley), and not over all, with 0
            where a point was not reached.
        tolerance: A walk ends when the worth of its set has stayed this close to that of the whole set (truncation), in
            units of the utility: the points that remain get 0. With 0 there is no truncation.
        patience: For how many points it has to stay, so that a worth that only passes by ends nothing.
        reliability: Stop when :attr:`Estimate.reliability` reaches this; with 1 only ``permutations`` counts.
    """

    weights: FloatArray
    permutations: int
    batch: int
    visited_only: bool = False
    tolerance: float = 0.0
    patience: int = 1
    reliability: float = 1.0


def estimate(game: Game, sampling: Sampling, *, seed: int, device: str = "cpu") -> Estimate:
    """Average weighted marginal contributions over permutations.

    Args:
        game: The game.
        sampling: What is sampled and what it counts.
        seed: Decides the permutations.
        device: Where the game's tensors are.

    Returns:
        The estimate.
    """
    rng = np.random.default_rng(seed)
    n, length = game.players, len(sampling.weights)
    sums, squares, counts = np.zeros(n), np.zeros(n), np.zeros(n)
    done = marginals = 0
    result = Estimate(sums, np.full(n, np.inf), 0, 0)
    with progress("permutations", total=sampling.permutations) as bar:
        while done < sampling.permutations and not (done and result.reliability >= sampling.reliability):
            orders = _orders(rng, n, length, min(sampling.batch, sampling.permutations - done))
            gains, steps = _walk(game, torch.as_tensor(orders, device=device), sampling)
            weighted = gains.double().cpu().numpy() * sampling.weights[: gains.shape[1]]
            reached = orders[:, : gains.shape[1]]
            sums += np.bincount(reached.ravel(), weights=weighted.ravel(), minlength=n)
            squares += np.bincount(reached.ravel(), weights=(weighted**2).ravel(), minlength=n)
            counts += np.bincount(reached.ravel(), minlength=n) if sampling.visited_only else len(orders)
            done += len(orders)
            marginals += steps
            result = _summary(sums, squares, counts, done, marginals)
            bar.advance(len(orders), reliability=round(result.reliability, 3))
    return result


def _orders(rng: np.random.Generator, n: int, length: int, count: int) -> np.ndarray:
    """``(count, length)`` random ordered subsets, cut one after the other from permutations of all points.

    Each point is in as many of them as the others, as nearly as can be; a cut that reaches the end goes on at the start.
    """
    per = -(-n // length)
    columns = np.arange(per * length) % n
    passes = [rng.permutation(n)[columns].reshape(per, length) for _ in range(-(-count // per))]
    return np.concatenate(passes)[:count]


def _walk(game: Game, orders: torch.Tensor, sampling: Sampling) -> tuple[torch.Tensor, int]:
    """Marginal contributions ``(M, l)`` by position, and how many of them were not truncated."""
    gains: list[torch.Tensor] = []
    alive = torch.ones(len(orders), dtype=torch.bool, device=orders.device)
    stayed = torch.zeros(len(orders), dtype=torch.int64, device=orders.device)
    steps = 0
    for step in game.walk(orders):
        gains.append(step.gain * alive)
        if step.since:
            for back in range(1, step.since + 1):
                gains[-back] += step.shared * alive / step.since
        steps += int(alive.sum())
        if sampling.tolerance:
            near = (step.worth - game.whole).abs() < sampling.tolerance
            stayed = torch.where(near, stayed + 1, 0)
            alive &= stayed < sampling.patience
            if not bool(alive.any()):
                break
    return torch.stack(gains, dim=1), steps


def _summary(sums: FloatArray, squares: FloatArray, counts: FloatArray, permutations: int, marginals: int) -> Estimate:
    known = np.maximum(counts, 1)
    means = sums / known
    variance = np.maximum(squares / known - means**2, 0) * known / np.maximum(known - 1, 1)
    errors = np.where(counts > 1, np.sqrt(variance / known), np.inf)
    return Estimate(means, errors, permutations, marginals)
