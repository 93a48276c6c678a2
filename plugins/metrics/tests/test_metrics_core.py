"""Accuracy, confidence, unknown unknowns, calibration and proper scores, against the libraries and by hand."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from harness.components import Outcome
from harness.errors import DataError, HarnessError
from harness.registry import component, registry

seeds = st.integers(0, 2**31 - 1)
classes = st.integers(2, 4)


def scores(metric: str, outcome: Outcome, **options: object) -> dict[str, float]:
    return {name: score.value for name, score in component("metric", metric, **options).score(outcome).scalars.items()}


@given(seeds, st.integers(1, 80), classes)
@settings(max_examples=60, deadline=None)
def test_accuracy_family_equals_scikit_learn(random_outcome, seed: int, n: int, k: int) -> None:
    o = random_outcome(seed, n, k)
    found = scores("accuracy", o)
    truth, guess = o.labels, o.probs.argmax(axis=1)
    after = np.where(o.attacked.succeeded, o.attacked.probs.argmax(axis=1), guess)
    for name, predicted in (("clean", guess), ("attacked", after)):
        assert found[f"accuracy/{name}"] == pytest.approx(sk.accuracy_score(truth, predicted))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class that is predicted but never true
            assert found[f"balanced_accuracy/{name}"] == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
            assert found[f"mcc/{name}"] == pytest.approx(sk.matthews_corrcoef(truth, predicted))
        f1 = sk.f1_score(truth, predicted, average="macro", zero_division=0.0)
        assert found[f"f1/{name}"] == pytest.approx(f1)


@given(seeds, st.integers(1, 200), classes, st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_ece_and_mce_equal_torchmetrics(random_outcome, seed: int, n: int, k: int, bins: int) -> None:
    o = random_outcome(seed, n, k)
    # Where a confidence lies exactly on a bound, torchmetrics closes bins on the other side than Guo et al.
    on_bound = np.isclose(o.probs.max(axis=1) * bins, np.round(o.probs.max(axis=1) * bins), atol=1e-4)
    o = o.take(np.flatnonzero(~on_bound)) if (~on_bound).any() else o
    if on_bound.all():
        return
    found = scores("ece", o, bins=bins)
    for ours, norm in (("ece", "l1"), ("mce", "max")):
        theirs = multiclass_calibration_error(
            torch.tensor(o.probs), torch.tensor(o.labels), num_classes=k, n_bins=bins, norm=norm
        )
        assert found[f"{ours}/clean"] == pytest.approx(float(theirs), abs=1e-5)


@given(seeds, st.integers(1, 60), classes)
@settings(max_examples=40, deadline=None)
def test_proper_scores_equal_scikit_learn(random_outcome, seed: int, n: int, k: int) -> None:
    o = random_outcome(seed, n, k)
    probs = o.probs.astype(np.float64)
    probs /= probs.sum(axis=1, keepdims=True)
    assume(probs.min() > 1e-6)  # below 1.2e-7 ours are clipped, those of scikit-learn far later
    labels = list(range(k))
    assert scores("nll", o)["nll/clean"] == pytest.approx(sk.log_loss(o.labels, probs, labels=labels), rel=1e-3)
    theirs = sk.brier_score_loss(o.labels, probs, scale_by_half=False, labels=labels)
    assert scores("brier", o)["brier/clean"] == pytest.approx(theirs, abs=1e-5)


@given(seeds, st.integers(1, 60), classes)
@settings(max_examples=40, deadline=None)
def test_every_contribution_adds_up_and_stays_in_range(random_outcome, seed: int, n: int, k: int) -> None:
    o = random_outcome(seed, n, k)
    for metric in ("accuracy", "confidence", "uu", "ece", "brier", "nll", "aurc", "attack"):
        for name, score in component("metric", metric).score(o).scalars.items():
            assert score.meaning, name
            if not np.isnan(score.value):
                assert score.low is None or score.value >= score.low - 1e-6, name
                assert score.high is None or score.value <= score.high + 1e-6, name
            if score.per_example is not None:
                assert score.per_example.shape == (n,)
                parts = score.per_example.astype(float)
                parts = parts[~np.isnan(parts)]
                expected = parts.sum() if score.total else parts.mean() if len(parts) else float("nan")
                assert score.value == pytest.approx(expected, nan_ok=True), name


@given(seeds, st.integers(1, 60), classes)
@settings(max_examples=40, deadline=None)
def test_populations_are_disjoint_where_they_should_be(random_outcome, seed: int, n: int, k: int) -> None:
    o = random_outcome(seed, n, k)
    s = component("metric", "uu").score(o)
    for tau in ("0.65", "0.8", "0.9"):
        clean, perturbed, deployed = (s.scalars[f"uu@{tau}/{p}"] for p in ("clean", "perturbed", "deployed"))
        assert not (clean.per_example & perturbed.per_example).any(), "a successful attack was right before"
        assert deployed.value == clean.value + perturbed.value
        assert (deployed.per_example == (clean.per_example | perturbed.per_example)).all()
    curve = s.tables["uu_curve"]
    for population in ("clean", "perturbed", "deployed"):
        part = curve[curve["population"] == population]
        assert (part["tau"].iloc[0], part["tau"].iloc[-1]) == (pytest.approx(1 / k, abs=0.005), 1)
        assert part["count"].is_monotonic_decreasing
        area = s.scalars[f"uu_area/{population}"].value
        steps = part["rate"].to_numpy()
        # the exact area lies between the lower and the upper sum of the curve, whose first step begins at 1/K
        assert steps[1:].mean() - 0.005 <= area <= steps[:-1].mean() + 0.005


def test_threshold_is_inclusive_in_float32(outcome) -> None:
    below = np.nextafter(np.float32(0.65), np.float32(0))
    o = outcome([[0.65, 0.35], [below, 1 - below], [0.9, 0.1], [0.8, 0.2]], [1, 1, 1, 0])
    found = scores("uu", o)
    assert (found["uu@0.65/clean"], found["uu@0.8/clean"], found["uu@0.9/clean"]) == (2, 1, 1)
    assert found["uu_rate@0.65/clean"] == 0.5
    assert "uu@0.65/perturbed" not in found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bins_are_closed_on_the_right_in_the_type_of_the_probabilities(outcome, dtype: type) -> None:
    c = np.asarray([0.6, 0.6, 0.66, 0.8, 0.8, 0.85], dtype=dtype)
    o = outcome(np.zeros((6, 2)), [0, 0, 1, 1, 1, 0])
    o = replace(o, probs=np.stack([1 - c, c], axis=1))
    found = component("metric", "ece").score(o)
    assert found.scalars["ece/clean"].value == pytest.approx((2 * 0.6 + 0.34 + 2 * 0.2 + 0.85) / 6)
    assert found.scalars["mce/clean"].value == pytest.approx(0.85)
    table = found.tables["reliability"]
    width = table[(table["binning"] == "width") & (table["count"] > 0)]
    assert width["high"].round(4).tolist() == [0.6, 0.6667, 0.8, 0.8667]
    assert width["count"].tolist() == [2, 1, 2, 1]


@given(st.integers(1, 40), st.data())
@settings(max_examples=40, deadline=None)
def test_a_confidence_on_a_bound_lies_in_the_bin_that_ends_there(outcome, bins: int, data) -> None:
    at = data.draw(st.lists(st.integers((bins + 1) // 2, bins), min_size=1, max_size=8))
    confidence = np.asarray([max(edge / bins, 0.5) for edge in at])
    o = outcome(np.stack([confidence, 1 - confidence], axis=1), np.zeros(len(at)))
    table = component("metric", "ece", bins=bins).score(o).tables["reliability"]
    width = table[(table["binning"] == "width") & (table["population"] == "clean")]
    for high, count in zip(width["high"], width["count"], strict=True):
        assert count == sum(np.ceil(c * bins - 1e-9) == round(high * bins) for c in confidence)


def test_a_wrong_prediction_at_a_threshold_lies_right_of_it_in_the_histogram(outcome) -> None:
    o = outcome([[0.65, 0.35], [0.8, 0.2], [0.9, 0.1], [0.64, 0.36]], [1, 1, 1, 1])
    table = component("metric", "confidence", bins=10).score(o).tables["wrong_confidence"]
    for tau in (0.65, 0.8, 0.9):
        right = table[table["low"] > tau - 1e-9]
        assert right["count"].sum() == scores("uu", o)[f"uu@{tau}/clean"]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(4, 6))
@settings(max_examples=40, deadline=None)
def test_classes_that_occur_nowhere_do_not_count(outcome, labels: list[int], k: int) -> None:
    probs = np.full((len(labels), k), 0.05)
    probs[np.arange(len(labels)), labels] = 1 - 0.05 * (k - 1)
    found = scores("accuracy", outcome(probs, labels))
    assert found["f1/clean"] == found["balanced_accuracy/clean"] == found["accuracy/clean"] == 1


def test_close_thresholds_have_names_of_their_own(outcome) -> None:
    o = outcome([[1, 0], [0.99999995, 5e-8], [0.9999998, 2e-7]], [1, 1, 1], thresholds=(0.65, 0.9999999, 1.0))
    found = scores("uu", o)
    assert [found[f"uu@{tau}/clean"] for tau in ("0.65", "0.9999999", "1")] == [3, 2, 1]
    assert {f"matched_uu@{tau}/clean" for tau in ("0.65", "0.9999999", "1")} <= scores("matched-uu", o).keys()
    shares = scores("aurc", o, coverages=(0.3333333, 0.3333334))
    assert {"selective_accuracy@0.3333333/clean", "selective_accuracy@0.3333334/clean"} <= shares.keys()


def test_figures_by_hand(outcome) -> None:
    o = outcome(
        [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8]],
        [0, 1, 1, 1],
        attacked=[[0.1, 0.9], [0.7, 0.3], [0.7, 0.3], [0.45, 0.55]],
        succeeded=[True, False, True, False],
    )
    accuracy, uu, confidence = scores("accuracy", o), scores("uu", o), scores("confidence", o)
    assert (accuracy["accuracy/clean"], accuracy["accuracy/attacked"]) == (0.75, 0.25)
    assert [uu[f"uu@0.65/{p}"] for p in ("clean", "perturbed", "deployed")] == [1, 2, 3]
    assert [uu[f"uu@0.9/{p}"] for p in ("clean", "perturbed", "deployed")] == [0, 1, 1]
    assert uu["uu_rate@0.65/perturbed"] == 0.5
    assert uu["uu_area/clean"] == pytest.approx(0.4 / 4)
    assert confidence["confidence/clean"] == pytest.approx(0.75)
    assert confidence["confidence/perturbed"] == pytest.approx(0.8)
    # a failed attack's best attempt is not what the deployed system sees
    assert confidence["confidence/deployed"] == pytest.approx((0.9 + 0.7 + 0.7 + 0.8) / 4)
    assert confidence["confidence_std/clean"] == pytest.approx(np.std([0.9, 0.7, 0.6, 0.8]))
    assert confidence["confidence_wrong/clean"] == pytest.approx(0.7)
    table = component("metric", "confidence", bins=5).score(o).tables["wrong_confidence"]
    assert table.groupby("population")["count"].sum().to_dict() == {"clean": 1, "perturbed": 2, "deployed": 3}


def test_perfect_constant_single_and_one_class(outcome) -> None:
    perfect = outcome([[1, 0], [0, 1]], [0, 1])
    assert scores("accuracy", perfect) == dict.fromkeys(scores("accuracy", perfect), 1.0)
    assert set(scores("ece", perfect).values()) == {0.0}
    assert scores("nll", perfect)["nll/clean"] == 0
    constant = outcome([[0.5, 0.5]] * 4, [0, 1, 0, 1])
    assert scores("accuracy", constant)["accuracy/clean"] == 0.5
    assert scores("accuracy", constant)["mcc/clean"] == 0
    assert scores("ece", constant)["ece/clean"] == 0
    assert scores("uu", constant)["uu@0.65/clean"] == 0
    single = outcome([[0.9, 0.1]], [1])
    assert scores("uu", single)["uu@0.9/clean"] == 1
    assert scores("ece", single)["ece/clean"] == pytest.approx(0.9)
    assert scores("confidence", single)["confidence_std/clean"] == 0
    one_class = outcome([[0.9, 0.1], [0.2, 0.8]], [0, 0])
    assert scores("accuracy", one_class)["balanced_accuracy/clean"] == 0.5
    hopeless = outcome([[1.0, 0.0]], [1])
    assert scores("nll", hopeless)["nll/clean"] == pytest.approx(-np.log(np.finfo(np.float32).eps))


EXTREMES: dict[str, tuple[object, object, dict[str, object]]] = {
    "perfect": ([[1, 0], [0, 1]] * 6, [0, 1] * 6, {}),
    "perfect, every attack succeeds": (
        [[1, 0], [0, 1]] * 6,
        [0, 1] * 6,
        {"attacked": [[0, 1], [1, 0]] * 6, "succeeded": [True] * 12},
    ),
    "constant": ([[0.5, 0.5]] * 8, [0, 1] * 4, {}),
    "constant and sure": ([[1, 0]] * 8, [0, 1] * 4, {}),
    "no attack succeeds": ([[0.9, 0.1]] * 8, [0, 1] * 4, {"attacked": [[0.9, 0.1]] * 8, "succeeded": [False] * 8}),
    "a single example, right": ([[0.9, 0.1]], [0], {"attacked": [[0.1, 0.9]], "succeeded": [True]}),
    "a single example, wrong": ([[0.9, 0.1]], [1], {"attacked": [[0.9, 0.1]], "succeeded": [False]}),
    "one class, right": ([[0.9, 0.1]] * 5, [0] * 5, {}),
    "one class, wrong": ([[0.9, 0.1]] * 5, [1] * 5, {}),
    "two of three classes": ([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]] * 4, [0] * 8, {}),
}


@pytest.mark.parametrize("case", EXTREMES)
@pytest.mark.parametrize("alike", [False, True], ids=["texts differ", "texts alike"])
def test_every_metric_takes_extreme_predictions(outcome, case: str, alike: bool) -> None:
    probs, labels, more = EXTREMES[case]
    n = len(labels)
    embeddings = np.ones((n, 4)) if alike else np.random.default_rng(0).normal(size=(n, 4))
    made = outcome(probs, labels, test_embeddings=embeddings.astype(np.float32), **more)
    for entry in registry().entries("metric"):
        if entry.distribution == "bliss-harness-metrics":
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = component("metric", entry.name).score(made)
            for name, score in found.scalars.items():
                low, high = -np.inf if score.low is None else score.low, np.inf if score.high is None else score.high
                assert np.isnan(score.value) or low <= score.value <= high, (entry.name, name, score.value)


@pytest.mark.parametrize(
    "metric", ["accuracy", "confidence", "uu", "matched-uu", "ece", "brier", "nll", "aurc", "blind-spots", "discovery"]
)
def test_nan_wrong_shape_and_nothing_are_refused(outcome, metric: str) -> None:
    with pytest.raises(HarnessError, match=r"1 of 2 (clean test|validation) examples \(first: row 1"):
        scores(metric, outcome([[0.5, 0.5], [np.nan, np.nan]], [0, 1]))
    for row in ([0.9, 0.9], [0, 0], [1.2, -0.2]):
        with pytest.raises(HarnessError, match=r"examples \(first: row 1 \(test/1\), \["):
            scores(metric, outcome([[0.5, 0.5], row], [0, 1]))
    broken = outcome([[0.5, 0.5], [0.1, 0.9]], [0, 1])
    with pytest.raises(DataError, match=r"shape \(1, 2\)"):
        scores(metric, outcome([[0.5, 0.5]], [0], test=list(broken.test)))
    with pytest.raises(DataError, match="nothing can be scored"):
        scores(metric, outcome(np.zeros((0, 2)), []))


def test_debiased_error_removes_what_small_bins_add(random_outcome, outcome) -> None:
    raw, debiased = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.5, 1, 300)
        labels = (rng.random(300) > confidence).astype(int)  # perfectly calibrated by construction
        found = scores("ece", outcome(np.stack([confidence, 1 - confidence], axis=1), labels))
        raw.append(found["ece_mass/clean"])
        debiased.append(found["ece_debiased/clean"])
    assert np.mean(raw) > 0.04
    assert np.mean(debiased) < 0.65 * np.mean(raw)
    # and far from calibrated there is nothing to remove
    rng = np.random.default_rng(0)
    labels = (rng.random(4000) < 0.5).astype(int)
    found = scores("ece", outcome(np.tile([[0.95, 0.05]], (4000, 1)), labels))
    assert found["ece_debiased/clean"] == pytest.approx(found["ece_mass/clean"], abs=1e-6)


def test_equal_mass_bins_hold_equally_many(random_outcome) -> None:
    table = component("metric", "ece", bins=10).score(random_outcome(3, 1000)).tables["reliability"]
    mass = table[(table["binning"] == "mass") & (table["population"] == "clean")]
    assert mass["count"].between(95, 105).all()
    assert mass["count"].sum() == 1000
    width = table[(table["binning"] == "width") & (table["population"] == "clean")]
    assert width["count"].sum() == 1000


def test_listing_components_imports_no_numerics() -> None:
    code = (
        "import sys; from harness.registry import registry as r; k = r();"
        "found = [k.status(e) for kind in ('metric', 'selector') for e in k.entries(kind) if e.built_in];"
        "k.status(k.find('dataset', 'planted'));"
        "assert not [s for s in found if s.state != 'ok'], found;"
        "print(len(found), [m for m in ('numpy', 'pandas', 'sklearn', 'scipy', 'torch', 'rapidfuzz') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1)[1].strip() == "[]"
    assert int(done.stdout.split()[0]) >= 20


def test_every_figure_and_table_is_documented(random_outcome) -> None:
    page = (Path(__file__).parents[3] / "docs/metrics.md").read_text(encoding="utf-8")
    o = random_outcome(0, 40, test_embeddings=np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    o = replace(o, costs={"seconds/attack": 1.0, "peak_memory_bytes": 2.0, "money": 0.1})
    names = [entry.name for entry in registry().entries("metric") if entry.distribution == "bliss-harness-metrics"]
    assert len(names) == 15
    for metric in names:
        assert f"`{metric}`" in page
        found = component("metric", metric).score(o)
        for name in found.scalars:
            figure = re.split(r"[/@]", name)[0]
            assert re.search(rf"`{figure}[`/@]", page), name
        for table in found.tables:
            assert f"| `{table}` |" in page, table
