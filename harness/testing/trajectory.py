"""A small real fine-tuning, of a last layer alone, for tests of methods that look at one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.components.trajectory import Trajectory

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


def last_layer(features: FloatArray, labels: IntArray, classes: int, *, epochs: int = 2, batch: int = 10) -> Trajectory:
    """Logistic regression by gradient descent on the first ``len(labels)`` of the features; the others are for validation.

    Everything is recorded that a method can ask for: the network before the first step and at the end of each epoch, each
    training point as it passes by, and two validation points before each step.
    """
    import numpy as np

    n = len(labels)
    rows = np.random.default_rng(0).permutation(n)
    batches = np.tile(np.append(rows, np.full(-n % batch, -1)).reshape(-1, batch), (epochs, 1))
    per_epoch = len(batches) // epochs
    inputs = np.column_stack([features, np.ones(len(features))]).astype(np.float64)
    weights, logits = np.zeros((inputs.shape[1], classes)), [np.zeros((len(features), classes))]
    passing = np.zeros((epochs, n, classes), np.float32)
    glanced = np.arange(2 * len(batches)).reshape(-1, 2) % (len(features) - n)
    glances = np.zeros((len(batches), 2, classes), np.float32)
    for step, some in enumerate(batches):
        some = some[some >= 0]  # noqa: PLW2901 - without what fills up
        passing[step // per_epoch, some] = inputs[some] @ weights
        glances[step] = inputs[n + glanced[step]] @ weights
        powers = np.exp(inputs[some] @ weights)
        wrong = powers / powers.sum(axis=1, keepdims=True) - np.eye(classes)[labels[some]]
        weights -= 0.1 / len(some) * inputs[some].T @ wrong
        if (step + 1) % per_epoch == 0:
            logits.append(inputs @ weights)
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
    )
