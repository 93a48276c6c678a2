"""Smooth and class-wise calibration errors, decompositions, AUGRC: against authors, libraries and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import relplot
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error

from harness.components import Outcome
from harness.registry import component

seeds = st.integers(0, 2**31 - 1)


def scores(metric: str, outcome: Outcome) -> dict[str, float]:
    return {name: score.value for name, score in component("metric", metric).score(outcome).scalars.items()}


@pytest.mark.parametrize(("n", "k"), [(50, 2), (400, 2), (3000, 2), (400, 4)])
def test_smooth_ece_equals_the_authors(random_outcome, n: int, k: int) -> None:
    for seed in range(4):
        o = random_outcome(seed, n, k)
        confidence, correct = o.probs.max(axis=1).astype(float), o.probs.argmax(axis=1) == o.labels
        expected = relplot.smECE(f=confidence, y=correct.astype(float))
        # The authors look for the bandwidth to within .001, on a coarser grid.
        assert scores("smooth-ece", o)["smooth_ece/clean"] == pytest.approx(expected, abs=0.004)


def test_smooth_ece_is_a_fixed_point(random_outcome) -> None:
    o = random_outcome(3, 500)
    found = scores("smooth-ece", o)["smooth_ece/clean"]
    x, residual = o.probs.max(axis=1).astype(float), (o.probs.argmax(axis=1) == o.labels) - o.probs.max(axis=1)
    grid = (np.arange(4000) + 0.5) / 4000
    total = np.zeros_like(grid)
    for image in (x, -x, 2 - x):  # reflections, summed one by one
        total += (np.exp(-0.5 * ((grid[:, None] - image) / found) ** 2) * residual).sum(axis=1)
    error = np.abs(total).mean() / (found * np.sqrt(2 * np.pi)) / len(x)
    assert error == pytest.approx(found, rel=0.01)


def test_the_band_of_the_smooth_curve_covers(outcome) -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 4000)
    probs = np.stack([1 - p, p], axis=1)
    labels = (rng.random(4000) < p).astype(int)  # calibrated
    table = component("metric", "smooth-ece").score(outcome(probs, labels)).tables["smooth_reliability"]
    inside = (table["low"] <= table["confidence"]) & (table["confidence"] <= table["high"])
    assert inside.mean() > 0.8
    assert (table["low"] <= table["accuracy"]).all()


@given(seeds, st.integers(2, 300))
@settings(max_examples=30, deadline=None)
def test_classwise_ece_equals_torchmetrics_class_by_class(random_outcome, seed: int, n: int) -> None:
    import torch

    o = random_outcome(seed, n, 3)
    on_bound = np.isclose(o.probs * 15, np.round(o.probs * 15), atol=1e-4).any(axis=1)
    if (~on_bound).sum() == 0:
        return
    o = o.take(np.flatnonzero(~on_bound))
    expected = []
    for k in range(3):
        p, y = torch.tensor(o.probs[:, k]), torch.tensor((o.labels == k).astype(int))
        # torchmetrics bins the probability of class 1, as we do
        expected.append(float(binary_calibration_error(p, y, n_bins=15)))
    assert scores("classwise-ece", o)["classwise_ece/clean"] == pytest.approx(np.mean(expected), abs=1e-5)


@given(seeds, st.integers(2, 200), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_the_parts_add_up_to_the_scores(random_outcome, seed: int, n: int, k: int) -> None:
    o = random_outcome(seed, n, k)
    found = scores("decomposition", o)
    for rule in ("brier", "nll"):
        if rule == "nll" and k > 2:
            continue
        for part in ("clean", "deployed"):
            total = (
                found[f"{rule}_miscalibration/{part}"]
                - found[f"{rule}_discrimination/{part}"]
                + found[f"{rule}_uncertainty/{part}"]
            )
            assert total == pytest.approx(scores(rule, o)[f"{rule}/{part}"], rel=1e-4, abs=1e-5)
    assert all(value >= 0 for value in found.values())


@given(seeds, st.integers(5, 300))
@settings(max_examples=30, deadline=None)
def test_two_classes_equal_scikit_learns_isotonic_regression(random_outcome, seed: int, n: int) -> None:
    o = random_outcome(seed, n)
    p, y = o.probs[:, 1].astype(float), o.labels
    fitted = np.clip(IsotonicRegression(y_min=0, y_max=1).fit_transform(p, y), 0, 1)
    base = np.full(n, y.mean())
    found = scores("decomposition", o)
    assert found["brier_uncertainty/clean"] == pytest.approx(2 * brier_score_loss(y, base, pos_label=1))
    best = brier_score_loss(y, fitted, pos_label=1)
    assert found["brier_miscalibration/clean"] == pytest.approx(
        2 * (brier_score_loss(y, p, pos_label=1) - best), abs=1e-6
    )
    if 0 < y.mean() < 1:
        eps = np.finfo(np.float32).eps
        gain = log_loss(y, base) - log_loss(y, np.clip(fitted, eps, 1 - eps))
        assert found["nll_discrimination/clean"] == pytest.approx(gain, abs=1e-5)


def test_a_calibrated_know_nothing_is_told_from_a_good_classifier(outcome) -> None:
    labels = np.arange(400) % 2
    nothing = scores("decomposition", outcome(np.full((400, 2), 0.5), labels))
    assert nothing["brier_miscalibration/clean"] == pytest.approx(0)
    assert nothing["brier_discrimination/clean"] == pytest.approx(0)
    good = scores("decomposition", outcome(np.eye(2)[labels] * 0.8 + 0.1, labels))
    assert good["brier_discrimination/clean"] == pytest.approx(good["brier_uncertainty/clean"])


@given(seeds, st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_augrc_is_the_chance_that_a_random_cut_keeps_a_random_error(random_outcome, seed: int, n: int) -> None:
    o = random_outcome(seed, n)
    confidence, wrong = o.probs.max(axis=1), o.probs.argmax(axis=1) != o.labels
    order = np.argsort(-confidence, kind="stable")
    if len(np.unique(confidence)) < n:
        return  # ties enter in expectation: test_metrics_selective
    by_hand = np.mean([wrong[order[: k + 1]].sum() / n for k in range(n)])
    assert scores("aurc", o)["augrc/clean"] == pytest.approx(by_hand)


@pytest.mark.parametrize("name", ["smooth-ece", "classwise-ece", "decomposition", "aurc"])
def test_resampling_is_scoring_the_resample(random_outcome, name: str) -> None:
    o = random_outcome(5, 80, 3)
    metric = component("metric", name)
    rows = np.random.default_rng(0).integers(0, 80, 80)
    (drawn,) = metric.resampled(o, [rows])
    again = metric.score(o.take(rows)).scalars
    for key, value in drawn.items():
        assert value == pytest.approx(again[key].value, abs=1e-9)
