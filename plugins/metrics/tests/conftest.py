"""Outcomes to score, made from arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.components import AttackedTest, Example, Outcome, Task


def build(
    probs: object,
    labels: object,
    *,
    attacked: object = None,
    succeeded: object = None,
    thresholds: tuple[float, ...] = (0.65, 0.8, 0.9),
    **more: object,
) -> Outcome:
    """An outcome; with ``attacked`` probabilities and ``succeeded`` flags it has an attack."""
    p = np.asarray(probs, dtype=np.float32)
    y = np.asarray(labels, dtype=np.int64)
    test = more.pop("test", None) or [
        Example(f"text number {i}", int(label), id=f"test/{i}") for i, label in enumerate(y)
    ]
    attack = None
    if attacked is not None:
        right = p.argmax(axis=1) == y
        status = ["succeeded" if s else "failed" if r else "skipped" for s, r in zip(succeeded, right, strict=True)]
        attack = AttackedTest(
            status,
            [
                example.text.replace("text", "tixt") if s else example.text
                for example, s in zip(test, succeeded, strict=True)
            ],
            np.asarray(attacked, dtype=np.float32),
            np.where(right, 7, 1),
        )
    task = Task("toy", tuple(f"class {k}" for k in range(p.shape[1])))
    validation = more.pop("validation", test)
    validation_probs = more.pop("validation_probs", p)
    return Outcome(task, thresholds, test, p, validation, validation_probs, attacked=attack, **more)


@pytest.fixture(scope="session")
def outcome() -> Callable[..., Outcome]:
    return build


@pytest.fixture(scope="session")
def random_outcome() -> Callable[..., Outcome]:
    def make(seed: int, n: int = 60, k: int = 2, **more: object) -> Outcome:
        rng = np.random.default_rng(seed)
        probs = rng.dirichlet(np.full(k, 0.7), n).astype(np.float32)
        labels = np.where(rng.random(n) < 0.6, probs.argmax(axis=1), rng.integers(0, k, n))
        right = probs.argmax(axis=1) == labels
        succeeded = right & (rng.random(n) < 0.7)
        after = rng.dirichlet(np.full(k, 0.5), n).astype(np.float32)
        # a successful attack is wrong afterwards: move the largest probability off the true class
        for i in np.flatnonzero(succeeded & (after.argmax(axis=1) == labels)):
            after[i] = np.roll(after[i], 1)
        succeeded &= after.argmax(axis=1) != labels
        return build(probs, labels, attacked=after, succeeded=succeeded, **more)

    return make
