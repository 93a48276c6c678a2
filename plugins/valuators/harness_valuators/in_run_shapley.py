"""In-Run Data Shapley (Wang et al. 2025, ICLR), of first order and of the last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.network import TrajectoryValuator, along, mean_gradient

if TYPE_CHECKING:
    from harness.types import FloatArray


class InRunShapley(TrajectoryValuator):
    """Shapley values within each step's batch, summed over training (Wang et al. 2025). Cost: O(states * N * K * d).

    To first order a point's share in a step of gradient descent is the inner product of its gradient with the validation
    gradient (theorem 3), here of the last layer, by the ghost inner product. Between two states of the trajectory
    it is interpolated. Steps are taken for those of plain gradient descent with the learning rates of training, which in truth
    divides gradients by their usual size (AdamW).
    """

    api_version: ClassVar[int] = 1

    every: int | None = Field(default=None, ge=1)
    """Steps between two states of the network that are looked at; 1 is exact, by default it is looked at once per epoch."""

    def state_every(self) -> int | None:
        """See :meth:`harness.components.Valuator.state_every`."""
        return self.every

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64: shares in what the mean validation cross-entropy (nats) loses; nothing is random."""
        import numpy as np

        t = problem.trajectory
        done = np.arange(len(t.batches))
        before = (t.steps <= done[:, None]).sum(axis=1) - 1
        part = (done - t.steps[before]) / (t.steps[before + 1] - t.steps[before])
        sizes = (t.batches >= 0).sum(axis=1)
        weights = np.zeros((len(t.steps), problem.n_train + 1))  # the last column is for -1
        for state, share in ((before, 1 - part), (before + 1, part)):
            factors = t.learning_rates / np.maximum(1, sizes) * share
            np.add.at(weights, (state[:, None], t.batches), factors[:, None])
        values = np.zeros(problem.n_train)
        for state in np.flatnonzero(weights[:, :-1].any(axis=1)):
            pull = mean_gradient(t.valid_logits[state], t.valid_features[state], problem.y_valid)
            products = along(t.train_logits[state], t.train_features[state], problem.y_train, pull)
            values += weights[state, :-1] * products
        return values
