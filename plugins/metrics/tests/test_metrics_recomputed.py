"""Figures computed again from their definitions: loops, searches and simulations that share no code with the metrics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from harness.components import Example, Outcome
from harness.registry import component

SETS = [(seed, n, k) for seed, (n, k) in enumerate([(1, 2), (7, 2), (40, 3), (150, 4), (333, 2)] * 3)]


def scores(metric: str, outcome: Outcome, **options: object) -> dict[str, float]:
    return {name: score.value for name, score in component("metric", metric, **options).score(outcome).scalars.items()}


@pytest.mark.parametrize(("seed", "n", "k"), SETS)
def test_figures_of_random_sets_by_their_definitions(random_outcome, seed: int, n: int, k: int) -> None:
    o = random_outcome(seed, n, k)
    rows = [([float(p) for p in row], int(label)) for row, label in zip(o.probs, o.labels, strict=True)]
    guesses = [max(range(k), key=lambda c, p=p: (p[c], -c)) for p, _ in rows]
    bins: dict[int, list[tuple[float, bool]]] = {}
    for (p, label), guess in zip(rows, guesses, strict=True):
        bins.setdefault(math.ceil(max(p) * 15), []).append((max(p), guess == label))
    gaps = [(len(b), abs(sum(c for c, _ in b) - sum(right for _, right in b)) / len(b)) for b in bins.values()]
    ece = scores("ece", o)
    assert ece["ece/clean"] == pytest.approx(sum(size * gap for size, gap in gaps) / n, abs=1e-6)
    assert ece["mce/clean"] == pytest.approx(max(gap for _, gap in gaps), abs=1e-6)
    brier = sum((p[c] - (c == label)) ** 2 for p, label in rows for c in range(k)) / n
    assert scores("brier", o)["brier/clean"] == pytest.approx(brier, rel=1e-6)
    nll = sum(-math.log(max(p[label], 2**-23)) for p, label in rows) / n
    assert scores("nll", o)["nll/clean"] == pytest.approx(nll, rel=1e-6)
    pairs = [(label, guess) for (_, label), guess in zip(rows, guesses, strict=True)]
    recalls = []
    for c in {label for label, _ in pairs}:
        mine = [guess for label, guess in pairs if label == c]
        recalls.append(mine.count(c) / len(mine))
    accuracy = scores("accuracy", o)
    assert accuracy["balanced_accuracy/clean"] == pytest.approx(sum(recalls) / len(recalls))
    # Gorodkin: the correlation of the two sets of indicator variables
    truth, guess = (np.eye(k)[[pair[i] for pair in pairs]] for i in (0, 1))

    def covariance(a: np.ndarray, b: np.ndarray) -> float:
        return float(((a - a.mean(axis=0)) * (b - b.mean(axis=0))).sum())

    spread = covariance(truth, truth) * covariance(guess, guess)
    expected = covariance(truth, guess) / math.sqrt(spread) if spread > 1e-9 else 0.0
    assert accuracy["mcc/clean"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("seed", "n", "k"), SETS[:5])
@pytest.mark.parametrize("metric", ["accuracy", "aurc", "confidence", "ece", "matched-uu"])
def test_resamples_are_the_scores_of_the_rows_drawn(random_outcome, metric: str, seed: int, n: int, k: int) -> None:
    o = random_outcome(seed, n, k)
    base = random_outcome(seed + 100, n, k, test=list(o.test))
    o = replace(o, baseline=base)
    rng = np.random.default_rng(seed)
    resamples = [np.sort(rng.integers(0, n, rows)) for rows in (n, n, max(1, n - 3), n + 2)]
    found = list(component("metric", metric).resampled(o, iter(resamples)))
    assert len(found) == len(resamples)
    for rows, figures in zip(resamples, found, strict=True):
        scored = component("metric", metric).score(o.take(rows)).scalars
        whole = {name: score.value for name, score in scored.items() if score.per_example is None}
        assert set(figures) == set(whole)
        assert all(
            figures[name] == value or (math.isnan(figures[name]) and math.isnan(value)) for name, value in whole.items()
        )


def equal_mass(confidence: np.ndarray, right: np.ndarray, bins: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ascending confidences dealt into bins; those that tie go where the first of them goes."""
    order = np.argsort(confidence, kind="stable")
    place = {}
    n = len(order)
    for rank, row in enumerate(order, start=1):
        place[float(confidence[row])] = math.ceil(rank * bins / n - 1e-12)  # the last of a tie decides
    index = np.asarray([place[float(c)] for c in confidence])
    return [(confidence[index == i], right[index == i]) for i in sorted(set(index.tolist()))]


@pytest.mark.parametrize("seed", range(6))
def test_equal_mass_and_debiased_errors_by_simulation(random_outcome, seed: int) -> None:
    o = random_outcome(seed, 240, 3)
    confidence = o.probs.max(axis=1).astype(float)
    right = o.probs.argmax(axis=1) == o.labels
    found = scores("ece", o, bins=8)
    bins = equal_mass(confidence, right, 8)
    assert found["ece_mass/clean"] == pytest.approx(
        sum(len(c) * abs(c.mean() - r.mean()) for c, r in bins) / len(right), abs=1e-6
    )
    # Kumar, Liang and Ma: draw the accuracies again around those observed, and subtract by how much that raises the error
    rng = np.random.default_rng(seed)
    draws = np.zeros(200_000)
    plain = 0.0
    for c, r in bins:
        again = rng.normal(r.mean(), math.sqrt(r.mean() * (1 - r.mean()) / len(r)), len(draws))
        draws += len(c) * np.abs(again - c.mean()) / len(right)
        plain += len(c) * abs(r.mean() - c.mean()) / len(right)
    assert found["ece_debiased/clean"] == pytest.approx(
        max(0.0, 2 * plain - draws.mean()), abs=4 * draws.std() / math.sqrt(len(draws))
    )


def timid(outcome: Callable[..., Outcome], temperature: float, n: int = 3000) -> Outcome:
    rng = np.random.default_rng(7)
    logits = rng.normal(0, 2, (n, 3))
    p = np.exp(log_softmax(logits, axis=1))
    labels = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    scaled = np.exp(log_softmax(logits / temperature, axis=1)).astype(np.float32)
    return outcome(scaled, labels)


@pytest.mark.parametrize("made", [0.4, 1.0, 3.0])
def test_temperature_is_the_best_of_a_grid(outcome, made: float) -> None:
    o = timid(outcome, made)
    grid = np.geomspace(0.05, 20, 20_001)
    logits = np.log(o.probs.astype(float))
    picked = grid[::200]
    losses = [-log_softmax(logits / t, axis=1)[np.arange(len(o.labels)), o.labels].mean() for t in picked]
    around = int(np.argmin(losses))
    fine = grid[max(0, 200 * (around - 1)) : 200 * (around + 1) + 1]
    best = min(fine, key=lambda t: -log_softmax(logits / t, axis=1)[np.arange(len(o.labels)), o.labels].mean())
    assert scores("matched-uu", o)["temperature"] == pytest.approx(best, rel=1e-3)
    assert best == pytest.approx(1 / made, rel=0.1)


def test_matched_unknown_unknowns_of_six_examples_by_hand(outcome) -> None:
    # Validation sets of which the best temperature is 1: every confidence is as often right as it says.
    held = [([c, 1 - c], int(i >= round(c * 20))) for c in (0.9, 0.75, 0.6) for i in range(20)]
    validation = {
        "validation": [Example(f"held out {i}", label) for i, (_, label) in enumerate(held)],
        "validation_probs": np.asarray([p for p, _ in held], dtype=np.float32),
    }

    def arm(confidence: list[float], right: list[int], **more: object) -> Outcome:
        probs = [[c, 1 - c] for c in confidence]
        return outcome(probs, [1 - r for r in right], **validation, **more)

    base = arm([0.99, 0.95, 0.85, 0.7, 0.6, 0.55], [1, 0, 1, 0, 1, 0])
    own = arm([0.7, 0.7, 0.7, 0.64, 0.62, 0.6], [0, 1, 1, 0, 0, 1], baseline=base)
    found, theirs = scores("matched-uu", own), scores("matched-uu", base)
    assert found["temperature"] == pytest.approx(1, abs=1e-3)
    # The baseline is at least .65, .8, .9 sure of 4, 3, 2 of the six.
    assert [found[f"matched_coverage@{tau}/clean"] for tau in ("0.65", "0.8", "0.9")] == [4 / 6, 3 / 6, 2 / 6]
    assert [theirs[f"matched_uu@{tau}/clean"] for tau in ("0.65", "0.8", "0.9")] == [2, 1, 1]
    # Own most confident: three ties at .7, one of them wrong (two places: two thirds of it), then the wrong one at .64.
    assert [found[f"matched_uu@{tau}/clean"] for tau in ("0.65", "0.8", "0.9")] == pytest.approx([2, 1, 2 / 3])
    # Its own confidence reaches .65 three times only and never .8: counted by confidence it would look better.
    assert [scores("uu", own)[f"uu@{tau}/clean"] for tau in ("0.65", "0.8", "0.9")] == [1, 0, 0]
