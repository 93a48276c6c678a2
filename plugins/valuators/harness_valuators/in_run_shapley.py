"""In-Run Data Shapley (Wang et al. 2025, ICLR), of first order, of the last layer or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Looks, ValuationProblem
from harness.errors import DataError
from harness_valuators.network import Layers, TrajectoryValuator, along, errors, mean_gradient, pairwise, passing

if TYPE_CHECKING:
    from harness.types import FloatArray


class InRunShapley(TrajectoryValuator):
    """Shapley values within each step's batch, summed over training (Wang et al. 2025). Cost: O(E * N * K * d).

    To first order a point's share in a step of gradient descent is the inner product of its gradient in that step (with
    dropout, as it is learned from) with the validation gradient before it (theorem 3), here of the last layer, by the ghost
    inner product. The validation gradient is that of a few points, which are looked at before each step, and of the others as
    they were when it was last their turn; of `all` layers it is that of the few points alone, and costs a backward pass. Steps
    are taken for those of plain gradient descent with the learning rates of training, which in truth divides gradients by
    their usual size (AdamW).
    """

    api_version: ClassVar[int] = 1

    validation: int = Field(default=4, ge=1)
    """Validation points that are looked at before each step."""

    layers: Layers = "last"
    """Gradients by the parameters of the last layer, or of all layers."""

    every: int | None = Field(default=None, ge=1)
    """Of the last layer: look at all points without dropout every so many steps instead, each time a forward pass over them,
    and interpolate between; 1 is exact, and dear."""

    def looks(self) -> Looks:
        """See :meth:`harness.components.Valuator.looks`."""
        if self.layers == "all":
            return Looks(validation=self.validation, products=True)
        if self.every is None:
            return Looks(passing=True, validation=self.validation)
        return Looks(states="epochs", every=self.every)

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64: shares in what the mean validation cross-entropy (nats) loses; nothing is random."""
        if self.layers == "all":
            return _whole_network(problem)
        return (_step_by_step(problem) if self.every is None else _between_states(problem))[:, 0]

    def attributions(self, problem: ValuationProblem, *, seed: int) -> FloatArray | None:
        """``(n_train, n_valid)`` float64: shares in what each validation point's cross-entropy (nats) loses.

        Of `all` layers it is not known. Cost: O(E * N * M * d). What was not looked at yet in a step has no share in it, and
        the others so much more.
        """
        if self.layers == "all":
            return None
        return _step_by_step(problem, each=True) if self.every is None else _between_states(problem, each=True)


def _whole_network(problem: ValuationProblem) -> FloatArray:
    import numpy as np

    t, values = problem.trajectory, np.zeros(problem.n_train + 1)  # the last one is for -1
    if t.products is None:
        raise DataError(
            "The trajectory has no inner products of gradients of the whole network (`products`).",
            hint="Set `layers: last`, or record them.",
        )
    np.add.at(values, t.batches, t.learning_rates[:, None] * t.products)
    return values[:-1]


def _step_by_step(problem: ValuationProblem, *, each: bool = False) -> FloatArray:
    """``(n_train, n_valid)`` where ``each`` validation point is asked for, else their mean ``(n_train, 1)``."""
    import numpy as np

    t, y = problem.trajectory, problem.y_valid
    (logits, features), values = passing(t), np.zeros((problem.n_train, len(y) if each else 1))
    if t.glance_rows is None or t.glance_logits is None or t.glance_features is None:
        raise DataError(
            "The trajectory has no validation points as they were before each step (`glance_rows`).",
            hint="Set `every`, or record them.",
        )
    per_epoch = len(t.batches) // t.epochs
    k, width = logits.shape[2], features.shape[2]
    latest = np.zeros((len(y), k)), np.zeros((len(y), width + 1))
    total, seen = np.zeros((k, width + 1)), np.zeros(len(y), dtype=bool)
    for step, batch in enumerate(t.batches):
        at = t.glance_rows[step]
        total -= latest[0][at].T @ latest[1][at]
        latest[0][at], latest[1][at, :-1] = errors(t.glance_logits[step], y[at]), t.glance_features[step]
        latest[1][at, -1], seen[at] = 1.0, True
        total += latest[0][at].T @ latest[1][at]
        rows, epoch = batch[batch >= 0], step // per_epoch
        if len(rows):  # none where those that are valued are a few of those that were trained on
            own = logits[epoch, rows], features[epoch, rows], problem.y_train[rows]
            if each:
                products = pairwise((errors(own[0], own[2]), own[1]), (latest[0], latest[1][:, :-1]))
                products *= len(y) / seen.sum()
            else:
                products = along(*own, total / seen.sum())[:, None]
            values[rows] += t.learning_rates[step] / len(rows) * products
    return values


def _between_states(problem: ValuationProblem, *, each: bool = False) -> FloatArray:
    """As :func:`_step_by_step`."""
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
    values = np.zeros((problem.n_train, len(problem.y_valid) if each else 1))
    for state in np.flatnonzero(weights[:, :-1].any(axis=1)):
        train = t.train_logits[state], t.train_features[state], problem.y_train
        valid = t.valid_logits[state], t.valid_features[state], problem.y_valid
        if each:
            products = pairwise((errors(train[0], train[2]), train[1]), (errors(valid[0], valid[2]), valid[1]))
        else:
            products = along(*train, mean_gradient(*valid))[:, None]
        values += weights[state, :-1, None] * products
    return values
