"""Retraining as the judge of data values: the linear datamodelling score, and suites that ask for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

import harness
from harness.errors import InputError
from harness.valuation.datamodel import datamodelling_score, margin_utility, subset_rows, uu_utility


@given(st.integers(1, 200), st.floats(0.01, 0.99), st.integers(0, 99))
def test_subsets_are_of_the_share_asked_for(n: int, fraction: float, seed: int) -> None:
    rows = subset_rows(n, fraction, seed)
    assert len(rows) == max(1, round(fraction * n))
    assert len(set(rows.tolist())) == len(rows)
    assert (np.sort(rows) == rows).all()
    assert (rows == subset_rows(n, fraction, seed)).all()


def test_true_values_predict_an_additive_utility_and_others_do_not() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(60)
    subsets = [subset_rows(60, 0.5, seed) for seed in range(40)]
    utility = np.array([values[rows].sum() for rows in subsets])
    assert datamodelling_score(values, subsets, utility).value == pytest.approx(1)
    assert datamodelling_score(-values, subsets, utility).value == pytest.approx(-1)
    noisy = utility + 3 * rng.standard_normal(40)
    found = datamodelling_score(values, subsets, noisy)
    assert found.value == pytest.approx(spearmanr(utility, noisy).statistic)
    assert found.low < found.value < found.high
    random = datamodelling_score(rng.standard_normal(60), subsets, utility)
    assert random.low < 0 < random.high
    assert np.isnan(datamodelling_score(np.ones(60), subsets, utility).value)


def test_the_interval_covers_the_score_of_many_subsets() -> None:
    rng = np.random.default_rng(1)
    values, noise = rng.standard_normal(80), 4.0
    many = [subset_rows(80, 0.5, seed) for seed in range(4000)]
    utility = np.array([values[rows].sum() for rows in many]) + noise * rng.standard_normal(4000)
    truth = spearmanr([values[rows].sum() for rows in many], utility).statistic
    hits = 0
    for start in range(0, 4000, 80):
        found = datamodelling_score(values, many[start : start + 80], utility[start : start + 80])
        hits += found.low <= truth <= found.high
    assert hits >= 43, f"{hits} of 50"


def test_utilities_by_hand() -> None:
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], dtype=np.float32)
    labels = np.array([0, 1, 1])
    assert margin_utility(probs, labels) == pytest.approx(np.mean(np.log([9, 4, 3 / 7])), rel=1e-5)
    assert uu_utility(probs, labels, 0.65) == pytest.approx(-1 / 3)
    assert uu_utility(probs, labels, 0.75) == 0


def test_a_suite_judged_by_retraining(run_tiny: Callable[..., Any]) -> None:
    change = (
        "valuators:\n",
        "valuation: {noise: 0.25, judge: retraining, subsets: 10}\nvaluators:\n  random: random\n",
    )
    run = run_tiny(change, arms=("only",))
    assert not run.failures
    (report,) = run.valuations
    assert report.primary == "lds"
    assert set(report.board["valuator"]) == {"dvrl", "random"}
    assert report.board[["lds", "lds_uu"]].abs().max().max() <= 1
    assert (report.board["lds_low"] <= report.board["lds_high"]).all()
    assert "LDS" in (run.folder / "valuators.md").read_text()
    again = run_tiny(change, arms=("only",))
    assert again.computed == 0


def test_a_classifier_that_cannot_be_trained_cannot_judge(suite_file: Callable[..., Any], tmp_path: Any) -> None:
    path = suite_file(("valuators:\n", "valuation: {judge: retrainin}\nvaluators:\n"))
    with pytest.raises(InputError, match=r"judge: .*retraining"):
        harness.load_suite(path)
