"""Data Shapley by truncated Monte Carlo (Ghorbani and Zou 2019, ICML), and the semivalues that are computed alike."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.options import UtilityValuator

if TYPE_CHECKING:
    from harness.types import FloatArray
    from harness_valuators.semivalues import Estimate


PATIENCE, PATIENT = 5, 0.05
"""Points, at least and as a share of all, for which a walk's worth has to stay near that of the whole set before it ends."""


class PermutationValuator(UtilityValuator):
    """A valuator that averages marginal contributions over random permutations of the training points."""

    algorithm: Literal["tmc", "gradient"] = "tmc"
    """`tmc` values sets by predictors trained on them; `gradient` (G-Shapley, in the same paper) by one pass of online
    learning over them in their order: faster, and not quite a game of sets."""

    permutations: int = Field(default=2048, ge=1)
    """Largest number of random permutations."""

    reliability: float = Field(default=0.95, gt=0.0, le=1.0)
    """Stop when this share of the variance of the values is not sampling noise, judged by their running standard errors
    (the correlation to be expected between two runs); 1 always takes all `permutations`."""

    batch_size: int = Field(default=64, ge=1)
    """Permutations whose predictors are trained at once."""

    predictor_tolerance: float = Field(default=0.01, gt=0.0, lt=1.0)
    """When the predictor of a set is trained, each time the set has grown by 5 % (with every point while it is small): the
    share that is left of its way from where the points since then have brought it. `estimate` measures the error."""

    predictor_steps: int = Field(default=200, ge=1)
    """Largest number of iterations that train it, whatever error that leaves; a few are enough."""

    def _weights(self, n: int) -> FloatArray:
        """``(L,)`` factors of the marginal contributions by position."""
        import numpy as np

        return np.ones(n)

    _visited_only: ClassVar[bool] = False

    def _truncation(self) -> float:
        """How close the worth of a set has to come to that of the whole set for the walk to end, as a share; 0 for never."""
        return 0.0

    def estimate(self, problem: ValuationProblem, *, seed: int) -> Estimate:
        """Values with standard errors, the error of the predictors, and counts; :meth:`value` gives the values only."""
        import torch

        from harness_valuators.games import LogisticGame
        from harness_valuators.logistic import prepare
        from harness_valuators.semivalues import Sampling, estimate
        from harness_valuators.utility import Utility

        device = self.resolve()
        data = prepare(problem, device=device, dtype=torch.float64)
        utility = Utility(self.utility, data.y_valid, self.threshold)
        game = LogisticGame(
            data,
            utility,
            l2=self.l2,
            tolerance=self.predictor_tolerance,
            limit=self.predictor_steps,
            online=self.algorithm == "gradient",
        )
        sampling = Sampling(
            weights=self._weights(problem.n_train),
            permutations=self.permutations,
            batch=self.batch_size,
            visited_only=self._visited_only,
            tolerance=self._truncation() * abs(game.whole - game.empty),
            patience=max(PATIENCE, math.ceil(PATIENT * problem.n_train)),
            reliability=self.reliability,
        )
        found = estimate(game, sampling, seed=seed, device=device)
        return replace(found, predictor_error=game.error())

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 values in units of the utility."""
        return self.estimate(problem, seed=seed).values


class DataShapley(PermutationValuator):
    """Shapley values of training points (Ghorbani and Zou 2019). Cost: O(permutations * N * n_valid * d).

    The mean gain of utility when the point joins those before it in a random permutation. The values add up to the utility
    of the whole set less that of none, up to what truncation leaves.
    """

    api_version: ClassVar[int] = 1

    tolerance: float = Field(default=0.01, ge=0.0)
    """Truncation: a permutation ends when, for 5 % of all points and at least 5 in a row, its set is worth as much as the
    whole set, up to this share of what the whole set is worth more than none; 0 for no truncation."""

    def _truncation(self) -> float:
        return self.tolerance
