"""Validation of values: pure functions, and the metric that uses them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from harness.components import Example, Outcome, SyntheticExample, Task
from harness.errors import DataError
from harness.registry import component
from harness.report.html.values import REMOVE, VALUES
from harness.valuation import judge as board
from harness.valuation.board import Judged
from harness.valuation.report import make_report


def test_label_noise_flips_the_share_asked_for():
    labels = np.random.default_rng(0).integers(0, 3, 1000)
    noisy, mask = board.inject_label_noise(labels, 3, 0.2, seed=4)
    assert mask.sum() == 200
    assert ((noisy != labels) == mask).all()
    assert set(noisy) == {0, 1, 2}
    again, _ = board.inject_label_noise(labels, 3, 0.2, seed=4)
    assert (noisy == again).all()
    for share in (-0.1, 1.5):
        with pytest.raises(DataError, match="share of noisy labels"):
            board.inject_label_noise(labels, 3, share, seed=0)
    with pytest.raises(DataError, match="two classes"):
        board.inject_label_noise(labels, 1, 0.1, seed=0)


cases = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 5), min_size=n, max_size=n), st.lists(st.booleans(), min_size=n, max_size=n)
    )
)


@given(cases)
def test_auroc_is_that_of_scikit_learn(case):
    values, noisy = np.array(case[0], dtype=float), np.array(case[1])
    found = board.noisy_label_auroc(values, noisy)
    if noisy.all() or not noisy.any():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(~noisy, values))


@given(cases)
def test_f1_is_that_of_scikit_learn_and_its_mean_among_ties(case):
    values, noisy = np.array(case[0], dtype=float), np.array(case[1])
    found = board.noisy_label_f1(values, noisy)
    if not noisy.any():
        assert np.isnan(found)
        return
    assert 0 <= found <= 1
    distinct = np.random.default_rng(0).permutation(len(values))
    called = distinct < noisy.sum()
    assert board.noisy_label_f1(distinct.astype(float), noisy) == pytest.approx(
        f1_score(noisy, called, zero_division=0)
    )
    assert board.noisy_label_f1(np.zeros(len(noisy)), noisy) == pytest.approx(noisy.mean())


def test_the_truth_beats_chance_and_its_opposite_loses(blobs):
    truth = (~blobs.noisy).astype(float)
    best = board.assess(truth, blobs.problem, blobs.noisy, blobs.test_x, blobs.test_y)
    worst = board.assess(-truth, blobs.problem, blobs.noisy, blobs.test_x, blobs.test_y)
    assert (best.auroc, best.f1, worst.auroc, worst.f1) == (1.0, 1.0, 0.0, 0.0)
    assert best.removal_area > 0 > worst.removal_area
    assert best.removal_area == pytest.approx(-worst.removal_area, abs=0.05)
    assert list(best.curves.columns) == ["removed", "remove_high", "remove_low"]
    assert best.curves["remove_high"][0] == best.curves["remove_low"][0]
    assert best.distinct == 2


def test_removal_curves_by_their_definition(blobs):
    values = np.random.default_rng(3).permutation(200) / 200 + 0.5 * ~blobs.noisy
    shares = (0.0, 0.1, 0.35, 0.5)
    found = board.removal_curves(values, blobs.problem, blobs.test_x, blobs.test_y, fractions=shares)
    x, y = np.asarray(blobs.problem.x_train, dtype=float), np.asarray(blobs.problem.y_train)
    ascending = sorted(range(200), key=lambda i: values[i])
    areas = []
    for share, row in zip(shares, found.to_dict("records"), strict=True):
        drop = round(200 * share)
        accuracy = {}
        for name, kept in (("remove_low", ascending[drop:]), ("remove_high", ascending[: 200 - drop])):
            centre = x[kept].mean(axis=0)
            length = np.sqrt(((x[kept] - centre) ** 2).sum(axis=1).mean())
            model = LogisticRegression(solver="newton-cg", max_iter=2000, tol=1e-8).fit(
                (x[kept] - centre) / length, y[kept]
            )
            accuracy[name] = model.score((blobs.test_x - centre) / length, blobs.test_y)
        assert row["removed"] == share
        assert (row["remove_low"], row["remove_high"]) == pytest.approx(
            (accuracy["remove_low"], accuracy["remove_high"]), abs=1.01 / len(blobs.test_y)
        )
        areas.append(row["remove_low"] - row["remove_high"])
    widths = np.diff(shares)
    expected = sum(w * (a + b) / 2 for w, a, b in zip(widths, areas, areas[1:], strict=False)) / 0.5
    assert board.area_between(found) == pytest.approx(expected)


def test_values_that_do_not_fit_are_refused(blobs):
    rest = (blobs.problem, blobs.noisy, blobs.test_x, blobs.test_y)
    with pytest.raises(DataError, match=r"shape \(200,\)"):
        board.assess(np.zeros(3), *rest)
    with pytest.raises(DataError, match="1 of 200 values"):
        board.assess(np.r_[np.nan, np.zeros(199)], *rest)


def test_agreement_is_spearmans():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    a, b = rng.random(50), rng.integers(0, 4, 50)
    matrix = board.agreement({"a": a, "b": b, "constant": np.zeros(50)})
    assert matrix.loc["a", "b"] == pytest.approx(spearmanr(a, b).statistic)
    assert matrix.loc["a", "a"] == pytest.approx(1)
    assert np.isnan(matrix.loc["a", "constant"])
    assert np.isnan(board.stability([a]))
    assert board.stability([a, -a]) == pytest.approx(-1)


def test_board_of_several_valuators_and_seeds(blobs):
    items = []
    for name in ("random", "confidence", "knn-shapley"):
        valuator = component("valuator", name)
        board.warm_up(valuator, blobs.problem)
        for seed in (0, 1):
            found = board.measure(valuator, blobs.problem, seed=seed)
            assessed = board.assess(found.values, blobs.problem, blobs.noisy, blobs.test_x, blobs.test_y)
            items.append(Judged.of(name, 0, seed, assessed, found))
    frame = make_report("blobs", 0.2, items).board
    assert frame["auroc"].is_monotonic_decreasing
    assert frame["valuator"].iloc[-1] == "random"
    row = frame.set_index("valuator").loc["confidence"]
    assert row["fixed"]
    assert row["seeds"] == 2


def test_peak_memory_of_a_computation_is_seen(blobs):
    import time

    class Greedy:
        def value(self, problem, *, seed):
            hog = np.ones(25_000_000)
            time.sleep(0.2)
            return hog[: problem.n_train]

    assert board.measure(Greedy(), blobs.problem, seed=0).peak_bytes > 1.5e8


def outcome(blobs, values, synthetic=()):
    def examples(labels):
        return [Example(text=f"t{i}", label=int(y)) for i, y in enumerate(labels)]

    n = len(blobs.test_y)
    return Outcome(
        task=Task("blobs", ("a", "b")),
        thresholds=(0.65,),
        test=examples(blobs.test_y),
        probs=np.full((n, 2), 0.5, dtype=np.float32),
        validation=[],
        validation_probs=np.zeros((0, 2), dtype=np.float32),
        test_embeddings=blobs.test_x,
        train=examples(blobs.problem.y_train),
        train_embeddings=blobs.problem.x_train,
        synthetic=list(synthetic),
        values=values,
    )


def test_metric_values(blobs):
    values = component("valuator", "confidence").value(blobs.problem, seed=0)
    added = [SyntheticExample(Example(text=f"s{i}", label=i % 2), uu=i, role="exploit") for i in range(10)]
    scores = component("metric", "values").score(outcome(blobs, np.r_[values, np.full(10, 2.0)], added))
    assert scores.scalars["value_gap"].value == 1.0
    assert scores.scalars["removal_area"].value > 0.05
    table = scores.tables["values"]
    assert table["origin"].value_counts().to_dict() == {"original": 200, "synthetic": 10}
    assert isinstance(scores.tables["removal"], pd.DataFrame)
    # The report draws box plots and removal curves of tables that have these columns.
    assert set(table.columns) >= VALUES
    assert set(scores.tables["removal"].columns) >= REMOVE
    plain = component("metric", "values").score(outcome(blobs, values))
    assert "value_gap" not in plain.scalars
    assert not component("metric", "values").score(outcome(blobs, None)).scalars
