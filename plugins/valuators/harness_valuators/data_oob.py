"""Data-OOB (Kwon and Zou 2023, ICML): how well bagged predictors that did not see a point do on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.options import UtilityName
from harness_valuators.subset_valuator import SubsetValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class DataOob(SubsetValuator):
    """Out-of-bag score of each point under bagged predictors (Kwon and Zou 2023). Cost: O(models * N * d).

    The validation set is not used: the value says how well a point agrees with the rest of the training set.
    """

    api_version: ClassVar[int] = 1

    utility: UtilityName = "probability"
    """How a predictor is scored on a point it did not see: `probability` of the point's label, `accuracy` (the paper's),
    `log-loss`, or `blind-spot` (-1 for a confident error)."""

    models: int = Field(default=1000, ge=1)
    """Bootstrap samples."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 mean scores; a point that is in every bootstrap sample gets the mean of the others."""
        import numpy as np

        from harness_valuators.utility import Utility

        rng = np.random.default_rng(seed)
        n = problem.n_train
        game = self.game(problem)
        score = Utility(self.utility, game.data.y, self.threshold)
        total, count = np.zeros(n), np.zeros(n)
        for begin in range(0, self.models, self.batch_size):
            drawn = np.stack(
                [
                    np.bincount(rng.integers(0, n, n), minlength=n)
                    for _ in range(min(self.batch_size, self.models - begin))
                ]
            )
            for rows, theta in game.predictors(drawn):
                outside = drawn[rows] == 0
                points = score.per_point(game.model.logits(game.model.scores(theta))).double().cpu().numpy().T
                total += (points * outside).sum(axis=0)
                count += outside.sum(axis=0)
        seen = count > 0
        values = np.divide(total, count, out=np.zeros(n), where=seen)
        values[~seen] = values[seen].mean() if seen.any() else 0.0
        return values
