"""A small real fine-tuning, of a last layer alone, for tests of methods that look at one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.components.trajectory import Trajectory

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


def last_layer(
    features: FloatArray, labels: IntArray, n: int, classes: int, *, epochs: int = 2, batch: int = 10
) -> Trajectory:
    """Logistic regression by gradient descent on the first ``n`` points; the others are for validation.

    Everything is recorded that a method can ask for: the network before the first step and at the end of each epoch, each
    training point as it passes by, two validation points before each step, and gradients by all parameters, which are those of
    the one layer, not projected.
    """
    import numpy as np

    rows = np.random.default_rng(0).permutation(n)
    batches = np.tile(np.append(rows, np.full(-n % batch, -1)).reshape(-1, batch), (epochs, 1))
    per_epoch = len(batches) // epochs
    inputs = np.column_stack([features, np.ones(len(features))]).astype(np.float64)
    weights, logits = np.zeros((inputs.shape[1], classes)), [np.zeros((len(features), classes))]
    passing = np.zeros((epochs, n, classes), np.float32)
    glanced = np.arange(2 * len(batches)).reshape(-1, 2) % (len(features) - n)
    glances = np.zeros((len(batches), 2, classes), np.float32)
    products, gradients = np.zeros(batches.shape), []

    def wrong(points: IntArray) -> FloatArray:
        powers = np.exp(inputs[points] @ weights)
        found: FloatArray = powers / powers.sum(axis=1, keepdims=True) - np.eye(classes)[labels[points]]
        return found

    def by_all_parameters() -> FloatArray:
        own = np.exp(inputs @ weights)
        own[np.arange(len(labels)), labels] = 0
        slopes = np.eye(classes)[labels] - own / own.sum(axis=1, keepdims=True)  # of the log-odds of the label
        found: FloatArray = (slopes[:, :, None] * inputs[:, None]).reshape(len(labels), -1).astype(np.float32)
        return found

    gradients.append(by_all_parameters())
    for step, filled in enumerate(batches):
        some = filled[filled >= 0]
        passing[step // per_epoch, some] = inputs[some] @ weights
        glances[step] = inputs[n + glanced[step]] @ weights
        errors, looked = wrong(some), n + glanced[step]
        pull = inputs[looked].T @ wrong(looked) / 2
        products[step, filled >= 0] = (inputs[some] @ pull * errors).sum(axis=1) / len(some)
        weights -= 0.1 / len(some) * inputs[some].T @ errors
        if (step + 1) % per_epoch == 0:
            logits.append(inputs @ weights)
            gradients.append(by_all_parameters())
    whole = np.stack(gradients)
    seen = np.stack(logits).astype(np.float32)
    read = np.repeat(features[None].astype(np.float32), epochs + 1, axis=0)
    steps = per_epoch * np.arange(epochs + 1)
    rates = np.full(len(batches), 0.1)
    return Trajectory(
        seen[:, :n],
        read[:, :n],
        seen[:, n:],
        read[:, n:],
        steps,
        batches,
        rates,
        epochs,
        passing,
        read[1:, :n],
        glanced,
        glances,
        features[n + glanced].astype(np.float32),
        products,
        whole[:, :n],
        whole[:, n:],
    )
