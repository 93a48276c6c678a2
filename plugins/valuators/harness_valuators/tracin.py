"""TracIn (Pruthi et al. 2020, NeurIPS), of the last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Looks, ValuationProblem
from harness_valuators.network import TrajectoryValuator, along, errors, mean_gradient, pairwise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.components import Trajectory
    from harness.types import FloatArray


class TracIn(TrajectoryValuator):
    """Does a step on the point lower the validation loss (Pruthi et al. 2020)? Cost: O(states * N * K * d).

    TracInCP (section 3.2) with the gradients of the last layer (section 4.3, eq. 4), whose inner products have a closed form.
    """

    api_version: ClassVar[int] = 1

    every: int | None = Field(default=None, ge=1)
    """Steps between two states of the network that are looked at; by default it is looked at at the end of each epoch."""

    def looks(self) -> Looks:
        """See :meth:`harness.components.Valuator.looks`."""
        return Looks(states="epochs", every=self.every)

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64: what the mean validation cross-entropy (in nats) loses, to first order; nothing is random.

        Each state counts with the mean learning rate of the steps since the one before it.
        """
        import numpy as np

        t = problem.trajectory
        values = np.zeros(problem.n_train)
        for state, rate in _rates(t):
            pull = mean_gradient(t.valid_logits[state], t.valid_features[state], problem.y_valid)
            values += rate * along(t.train_logits[state], t.train_features[state], problem.y_train, pull)
        return values

    def attributions(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train, n_valid)`` float64: what each validation point's cross-entropy (nats) loses."""
        import numpy as np

        t, found = problem.trajectory, np.zeros((problem.n_train, len(problem.y_valid)))
        for state, rate in _rates(t):
            train = errors(t.train_logits[state], problem.y_train), t.train_features[state]
            found += rate * pairwise(train, (errors(t.valid_logits[state], problem.y_valid), t.valid_features[state]))
        return found


def _rates(t: Trajectory) -> Iterator[tuple[int, float]]:
    """States after the start, each with the mean learning rate of the steps since the one before it."""
    for state, done in enumerate(t.steps):
        if done:
            yield state, float(t.learning_rates[t.steps[state - 1] if state else 0 : done].mean())
