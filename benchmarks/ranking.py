"""How often each rule of ranking crowns the wrong arm: a simulation of boards of a baseline and one more arm.

    python benchmarks/ranking.py [boards]

Of every test example the classifier has a margin (positive where it is right) that is normal with unit variance, and an attack
that takes an exponential amount off it, stopping soon after the prediction has turned. The arms differ in their mean margin, in
the scale of their logits, and in how much the attack takes. An arm is *crowned* when it alone has rank 1. The table of
``docs/statistics.md`` is its output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from harness_metrics.calibration import rescale, temperature
from harness_metrics.selective import kept_share
from scipy import stats

from harness.report.derive import MARGIN, NEARLY_ALL
from harness.statistics.comparison import ALPHA, mcnemar_exact

TAU, VALIDATION, SLOPE = 0.65, 500, 2.5
SIZES = (150, 500, 2_000, 25_000)


@dataclass(frozen=True)
class Arm:
    """How an arm differs from the baseline, whose mean margin is 0.8 and whose attack takes 3 on average."""

    name: str
    better: bool = False
    margin: float = 0.8
    scale: float = 1.0
    attack: float = 3.0
    one_class: float = 0.0
    """Share of the examples that get class 1 whatever they say."""


BASE = Arm("baseline")
ARMS = (
    Arm("trained again", margin=0.8),
    Arm("timid: logits halved", scale=0.5),
    Arm("slightly timid: logits × .9", scale=0.9),
    Arm("noisy: 8 points less accurate, timid", margin=0.55, scale=0.5),
    Arm("one class", one_class=1.0),
    Arm("one class for 9 of 10", one_class=0.9),
    Arm("better: the attack takes 40 % less", better=True, attack=1.8),
    Arm("better and timid", better=True, attack=1.8, scale=0.5),
    Arm("better, 1 point less accurate", better=True, margin=0.765, attack=1.8),
)


@dataclass(frozen=True)
class Predicted:
    """Probabilities ``(n, 2)`` and whether they are right, on clean text, in deployment and on the validation set."""

    clean: np.ndarray
    deployed: np.ndarray
    validation: np.ndarray
    labels: np.ndarray
    validation_labels: np.ndarray

    def right(self, which: str) -> np.ndarray:
        """``(n,)`` bool."""
        return getattr(self, which).argmax(1) == self.labels

    def confidence(self, which: str, heat: float = 1.0) -> np.ndarray:
        """``(n,)`` confidences at a temperature."""
        return rescale(getattr(self, which), heat).max(1)

    @property
    def heat(self) -> float:
        """Temperature fitted on the validation set."""
        return temperature(self.validation, self.validation_labels)


def predict(arm: Arm, shared: dict[str, np.ndarray], rng: np.random.Generator) -> Predicted:
    labels, validation_labels = shared["labels"], shared["validation_labels"]

    def probs(margin: np.ndarray, of: np.ndarray) -> np.ndarray:
        right = 1 / (1 + np.exp(-SLOPE * arm.scale * margin))
        towards_one = np.where(of == 1, right, 1 - right)
        return np.column_stack([1 - towards_one, towards_one])

    def margins(name: str, of: np.ndarray) -> np.ndarray:
        reads = arm.margin + np.sqrt(0.8) * shared[name] + np.sqrt(0.2) * rng.normal(size=len(of))
        blind = np.where(of == 1, 0.5, -0.5) + rng.normal(0, 0.02, len(of))
        return np.where(shared[f"{name}_blind"] < arm.one_class, blind, reads)

    clean = margins("test", labels)
    taken = arm.attack * shared["attack"] * (shared["test_blind"] >= arm.one_class)
    turned = (clean > 0) & (taken > clean)
    after = np.where(turned, -np.minimum(taken - clean, shared["overshoot"]), clean)
    validation = probs(margins("validation", validation_labels), validation_labels)
    return Predicted(probs(clean, labels), probs(after, labels), validation, labels, validation_labels)


def drops(a: np.ndarray, b: np.ndarray, margin: float = 0.0) -> bool:
    """Whether the mean of ``a`` lies below that of ``b`` by more than a margin, beyond chance."""
    apart = a.astype(float) - b
    error = apart.std(ddof=1) / np.sqrt(len(apart))
    distance = -apart.mean() - margin
    return bool(distance > 0 and (error == 0 or 2 * stats.t.sf(distance / error, len(apart) - 1) < ALPHA))


def crowned(counts: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether the arm whose errors are ``counts`` is alone on rank 1."""
    return bool(counts.sum() < theirs.sum() and mcnemar_exact(counts >= 0.5, theirs >= 0.5) < ALPHA)


def rules(arm: Predicted, base: Predicted) -> dict[str, bool]:
    """Whether each rule crowns the arm."""
    uu = [~one.right("deployed") & (one.confidence("deployed") >= TAU) for one in (arm, base)]
    kept = int((base.confidence("deployed", base.heat) >= TAU).sum())
    matched = [kept_share(one.confidence("deployed", one.heat), kept) * ~one.right("deployed") for one in (arm, base)]
    classes = np.bincount(arm.clean.argmax(1), minlength=2)
    one_class = classes.max() / len(arm.labels) >= NEARLY_ALL
    less_accurate = drops(arm.right("clean"), base.right("clean"))
    much_less = drops(arm.right("clean"), base.right("clean"), MARGIN)
    timid = drops(arm.confidence("clean"), base.confidence("clean"))
    by_uu, by_matched = crowned(*uu), crowned(*matched)
    return {
        "UU": by_uu,
        "UU, flagged apart": by_uu and not (one_class or less_accurate or timid),
        "matched": by_matched,
        "matched, flagged apart": by_matched and not (one_class or less_accurate),
        "matched, flagged by a margin": by_matched and not (one_class or much_less),
    }


def board(arm: Arm, n: int, rng: np.random.Generator) -> dict[str, bool]:
    draw: Callable[..., np.ndarray] = rng.normal
    shared = {
        "labels": rng.integers(0, 2, n),
        "validation_labels": rng.integers(0, 2, VALIDATION),
        "test": draw(size=n),
        "validation": draw(size=VALIDATION),
        "test_blind": rng.random(n),
        "validation_blind": rng.random(VALIDATION),
        "attack": rng.exponential(size=n),
        "overshoot": rng.exponential(0.6, size=n),
    }
    return rules(predict(arm, shared, rng), predict(BASE, shared, rng))


def main(boards: int = 500) -> None:
    print(f"Share of {boards} boards (a fifth at the largest size) on which the arm is crowned, in per cent.\n")
    names = None
    for arm in ARMS:
        for n in SIZES:
            rng = np.random.default_rng([n, ARMS.index(arm)])
            found = [board(arm, n, rng) for _ in range(boards if n < SIZES[-1] else max(1, boards // 5))]
            if names is None:
                names = list(found[0])
                print("| arm | test examples | " + " | ".join(names) + " |")
                print("| --- | ---: " + "| ---: " * len(names) + "|")
            shares = (f"{100 * np.mean([one[name] for one in found]):.0f}" for name in names)
            print(f"| {arm.name} | {n:,} | " + " | ".join(shares) + " |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
