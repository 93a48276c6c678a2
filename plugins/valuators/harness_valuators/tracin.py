"""TracIn (Pruthi et al. 2020, NeurIPS), of the last layer or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Looks, ValuationProblem
from harness_valuators.network import (
    Layers,
    TrajectoryValuator,
    along,
    errors,
    gradients,
    mean_gradient,
    pairwise,
    probabilities,
    true_class,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.components import Trajectory
    from harness.types import FloatArray


class TracIn(TrajectoryValuator):
    """Does a step on the point lower the validation loss (Pruthi et al. 2020)? Cost: O(states * N * K * d).

    TracInCP (section 3.2) with the gradients of the last layer (section 4.3, eq. 4), whose inner products have a closed form,
    or with those of the whole network, randomly projected (section 4.2): O(states * N * g), and a backward pass over all points
    per state.
    """

    api_version: ClassVar[int] = 1

    every: int | None = Field(default=None, ge=1)
    """Steps between two states of the network that are looked at; by default it is looked at at the end of each epoch."""

    layers: Layers = "last"
    """Gradients by the parameters of the last layer, or of all layers."""

    dimensions: int = Field(default=2048, ge=1)
    """Numbers g to which gradients of `all` layers are projected; the seed of fine-tuning draws how."""

    def looks(self) -> Looks:
        """See :meth:`harness.components.Valuator.looks`."""
        whole = self.dimensions if self.layers == "all" else 0
        return Looks(states="epochs", every=self.every, gradients=whole)

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64: what the mean validation cross-entropy (in nats) loses, to first order; nothing is random.

        Each state counts with the mean learning rate of the steps since the one before it.
        """
        import numpy as np

        t = problem.trajectory
        values = np.zeros(problem.n_train)
        for state, rate in _rates(t):
            if self.layers == "all":
                train, valid = _whole_network(problem, state)
                values += rate * (train @ valid.mean(axis=0))
                continue
            pull = mean_gradient(t.valid_logits[state], t.valid_features[state], problem.y_valid)
            values += rate * along(t.train_logits[state], t.train_features[state], problem.y_train, pull)
        return values

    def attributions(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train, n_valid)`` float64: what each validation point's cross-entropy (nats) loses."""
        import numpy as np

        t, found = problem.trajectory, np.zeros((problem.n_train, len(problem.y_valid)))
        for state, rate in _rates(t):
            if self.layers == "all":
                sides = _whole_network(problem, state)
                found += rate * (sides[0] @ sides[1].T)
                continue
            train = errors(t.train_logits[state], problem.y_train), t.train_features[state]
            found += rate * pairwise(train, (errors(t.valid_logits[state], problem.y_valid), t.valid_features[state]))
        return found


def _whole_network(problem: ValuationProblem, state: int) -> tuple[FloatArray, FloatArray]:
    """Projected gradients of the cross-entropies of training and validation points, both with the other sign."""
    t = problem.trajectory
    train, valid = gradients(t, state)
    missing, wanting = (
        1 - true_class(probabilities(logits[state]), labels)
        for logits, labels in ((t.train_logits, problem.y_train), (t.valid_logits, problem.y_valid))
    )
    return train * missing[:, None], valid * wanting[:, None]


def _rates(t: Trajectory) -> Iterator[tuple[int, float]]:
    """States after the start, each with the mean learning rate of the steps since the one before it."""
    for state, done in enumerate(t.steps):
        if done:
            yield state, float(t.learning_rates[t.steps[state - 1] if state else 0 : done].mean())
