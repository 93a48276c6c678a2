"""Retraining as the judge of data values: the linear datamodelling score, and suites that ask for it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from scipy.stats import spearmanr

import harness
from harness.errors import InputError
from harness.report.check import check_records
from harness.valuation.board import Judged
from harness.valuation.checking import board_files, check_boards
from harness.valuation.datamodel import Retrainings, datamodelling_score, margins, subset_rows, uu_utility
from harness.valuation.evidence import write_evidence
from harness.valuation.files import to_json
from harness.valuation.judge import area_between, noisy_label_auroc, noisy_label_f1
from harness.valuation.network import End, kept_fraction, kept_rows
from harness.valuation.report import make_report


@given(st.integers(1, 200), st.floats(0.01, 0.99), st.integers(0, 99))
def test_subsets_are_of_the_share_asked_for(n: int, fraction: float, seed: int) -> None:
    rows = subset_rows(n, fraction, seed)
    assert len(rows) == max(1, round(fraction * n))
    assert len(set(rows.tolist())) == len(rows)
    assert (np.sort(rows) == rows).all()
    assert (rows == subset_rows(n, fraction, seed)).all()


@given(st.integers(1, 200), st.integers(1, 99), st.sampled_from(["highest", "lowest"]))
def test_as_many_points_are_removed_by_value_as_at_random(n: int, percent: int, end: End) -> None:
    share, values = percent / 100, np.random.default_rng(n).permutation(n).astype(float)
    kept = kept_rows(values, share, end)
    assert len(kept) == len(subset_rows(n, kept_fraction(share), 0))
    assert (np.sort(kept) == kept).all()
    gone = np.setdiff1d(np.arange(n), kept)
    if len(gone):
        low, high = (kept, gone) if end == "highest" else (gone, kept)
        assert values[low].max() < values[high].min()


def test_true_values_predict_an_additive_utility_and_others_do_not() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(60)
    subsets = [subset_rows(60, 0.5, seed) for seed in range(40)]
    utility = np.array([values[rows].sum() for rows in subsets])
    assert datamodelling_score(utility, utility).value == pytest.approx(1)
    assert datamodelling_score(-utility, utility).value == pytest.approx(-1)
    noisy = utility + 3 * rng.standard_normal(40)
    found = datamodelling_score(utility, noisy)
    assert found.value == pytest.approx(spearmanr(utility, noisy).statistic)
    assert found.low < found.value < found.high
    other = rng.standard_normal(60)
    random = datamodelling_score(np.array([other[rows].sum() for rows in subsets]), utility)
    assert random.low < 0 < random.high
    assert np.isnan(datamodelling_score(np.ones(40), utility).value)


def test_the_interval_covers_the_score_of_many_subsets() -> None:
    rng = np.random.default_rng(1)
    values, noise = rng.standard_normal(80), 4.0
    many = [subset_rows(80, 0.5, seed) for seed in range(4000)]
    utility = np.array([values[rows].sum() for rows in many]) + noise * rng.standard_normal(4000)
    predicted = np.array([values[rows].sum() for rows in many])
    truth = spearmanr(predicted, utility).statistic
    hits = 0
    for start in range(0, 4000, 80):
        found = datamodelling_score(predicted[start : start + 80], utility[start : start + 80])
        hits += found.low <= truth <= found.high
    assert hits >= 43, f"{hits} of 50"


def test_the_score_of_points_is_the_mean_of_theirs_and_tells_more() -> None:
    rng = np.random.default_rng(2)
    members = rng.random((50, 60)) < 0.5
    effects = rng.standard_normal((60, 100))
    real = members @ effects + 8 * rng.standard_normal((50, 100))
    found = datamodelling_score(members @ effects, real)
    alone = [spearmanr(members @ effects[:, j], real[:, j]).statistic for j in range(100)]
    assert found.value == pytest.approx(np.mean(alone))
    one = datamodelling_score(members @ effects[:, 0], real[:, 0])
    assert found.high - found.low < (one.high - one.low) / 2
    real[:, 0] = 1.0  # a point whose utility never changes says nothing
    assert datamodelling_score(members @ effects, real).value == pytest.approx(np.mean(alone[1:]))


def test_utilities_by_hand() -> None:
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], dtype=np.float32)
    labels = np.array([0, 1, 1])
    assert margins(probs, labels) == pytest.approx(np.log([9, 4, 3 / 7]), rel=1e-5)
    assert uu_utility(probs, labels, 0.65) == pytest.approx(-1 / 3)
    assert uu_utility(probs, labels, 0.75) == 0


def test_a_suite_judged_by_retraining(run_tiny: Callable[..., Any]) -> None:
    change = (
        "valuators:\n",
        (
            "valuation: {noise: 0.25, judge: retraining, subsets: 10, removal: {network: [0.3]}}\n"
            "valuators:\n  random: random\n  knn: knn-shapley\n"
        ),
    )
    run = run_tiny(change, arms=("only",))
    assert not run.failures
    (report,) = run.valuations
    assert report.primary == "lds"
    assert set(report.board["valuator"]) == {"dvrl", "random", "knn"}
    assert report.board[["lds", "lds_uu"]].abs().max().max() <= 1
    assert (report.board["lds_low"] <= report.board["lds_high"]).all()
    points = dict(zip(report.board["valuator"], report.board["lds_points"], strict=True))
    assert np.isfinite(points.pop("knn"))
    assert np.isnan(list(points.values())).all()
    curves = report.network_curves
    assert curves is not None
    assert list(curves["removed"]) == [0.3] * 3
    assert len(set(curves["remove_random"])) == 1  # of one draw, whatever the valuator
    gaps = (curves["remove_low"] - curves["remove_high"]).tolist()
    areas = dict(zip(report.board["valuator"], report.board["network_area"], strict=True))
    assert [areas[name] for name in curves["valuator"]] == pytest.approx(gaps)
    assert "Removal curves of the network" in (run.folder / "valuators.html").read_text()
    assert "LDS" in (run.folder / "valuators.md").read_text()
    again = run_tiny(change, arms=("only",))
    assert again.computed == 0
    _check_of_what_was_kept(run.folder)


def _check_of_what_was_kept(folder: Path) -> None:
    file, arrays = folder / "valuators.json", folder / "valuators.safetensors"
    found = check_boards(board_files([folder]))
    assert not found.problems, found.problems
    assert found.scores >= 3 * 12
    right, kept = file.read_text(), arrays.read_bytes()
    alone = folder.with_name("alone")  # as of a suite without arms
    alone.mkdir()
    for path in (file, arrays):
        (alone / path.name).write_bytes(path.read_bytes())
    report = check_records([alone])
    assert report.ok
    assert (report.records, report.boards, report.scores) == (0, 1, found.scores)
    content = json.loads(right)
    content[0]["runs"][0]["lds"] += 0.05
    (alone / file.name).write_text(json.dumps(content))
    assert any("lds is given as" in problem for problem in check_records([alone]).problems)

    for name, at in (
        ("lds_points", "knn"),
        ("lds", "dvrl"),
        ("lds_uu_low", "dvrl"),
        ("auroc", "random"),
        ("network_area", "knn"),
    ):
        content = json.loads(right)
        (row,) = (row for row in content[0]["runs"] if row["valuator"] == at)
        row[name] += 0.05
        file.write_text(json.dumps(content))
        problems = check_boards([file]).problems
        assert any(f"{at}, draw 0, seed 0: {name} is given as" in problem for problem in problems), problems
    content = json.loads(right)
    content[0]["board"][0]["lds"] += 0.05
    file.write_text(json.dumps(content))
    assert any("lds on the board" in problem for problem in check_boards([file]).problems)
    file.write_text(right)

    changed = load_file(arrays)
    dataset = content[0]["dataset"]
    changed[f"{dataset}/0/predicted/knn/0"][:, 0] += 1.0
    save_file(changed, arrays)
    assert any("does not add up to the values" in problem for problem in check_boards([file]).problems)
    arrays.unlink()
    assert any("is missing" in problem for problem in check_boards([file]).problems)
    arrays.write_bytes(kept)


ODD: tuple[Any, ...] = (None, True, -1, 0, 1.5, 10**30, float("nan"), float("inf"), "", "x", [], {}, [[]], {"a": 1})
DAMAGES: dict[str, Callable[[Any], Any]] = {
    "empty": lambda array: array[:0],
    "of another type": lambda array: array.astype(np.int64 if array.dtype.kind in "fu" else np.float32),
    "narrow": lambda array: array[..., :1],
    "not finite, or out of range": lambda array: np.full_like(array, np.nan if array.dtype.kind == "f" else 100),
    "flat": lambda array: array.reshape(1, -1),
    "deep": lambda array: array[None],
    "a number": lambda array: array.reshape(-1)[0],
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a board whose scores follow from what was kept beside it; two valuators, three classes."""
    rng, items = np.random.default_rng(0), []
    probs = {n: rng.dirichlet(np.ones(3), (8, n)).astype(np.float32) for n in (12, 9)}
    labels = {n: rng.integers(0, 3, n) for n in probs}
    members, noisy = rng.random((8, 20)) < 0.5, np.arange(20) < 4
    kept = Retrainings(members, probs[12], labels[12], probs[9], labels[9], noisy)
    curves = pd.DataFrame({"removed": [0.0, 0.5], "remove_high": [0.8, 0.6], "remove_low": [0.8, 0.7]})
    for name in ("one", "other"):
        values = rng.standard_normal(20)
        predicted = kept.predicted(values[:, None] + rng.standard_normal((20, 9)) * [1, -1, 0, 0, 0, 0, 0, 0, 0])
        predicted += (kept.predicted(values) - predicted.mean(axis=1))[:, None]
        figures = {"auroc": noisy_label_auroc(values, noisy), "f1": noisy_label_f1(values, noisy)}
        figures |= {"removal_area": area_between(curves), "seconds": 0.1, "peak_mb": 1.0}
        figures |= kept.figures(values, predicted if name == "one" else None, 0.5)
        items.append(Judged(name, 0, 0, values, figures, curves, kept, predicted if name == "one" else None))
    folder = tmp_path_factory.mktemp("judged")
    (folder / "valuators.json").write_text(to_json([make_report("reviews", 0.2, items, 0.5)]))
    write_evidence(folder / "valuators.safetensors", {"reviews": items})
    return folder


def test_a_board_follows_from_what_was_kept(judged: Path) -> None:
    found = check_boards(board_files([judged]))
    assert not found.problems
    assert found.scores > 20


def _places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    for key in content if isinstance(content, dict) else range(len(content) if isinstance(content, list) else 0):
        yield from _places(content[key], (*place, key))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_board_from_anywhere_is_checked_or_refused_in_words(judged: Path, data: st.DataObject) -> None:
    content = json.loads((judged / "valuators.json").read_text())
    *path, last = data.draw(st.sampled_from(list(_places(content))))
    inner = content
    for key in path:
        inner = inner[key]
    odd = data.draw(st.sampled_from([*ODD, ...]))
    if odd is ...:
        del inner[last]
    else:
        inner[last] = odd
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "valuators.json").write_text(json.dumps(content))
        shutil.copy(judged / "valuators.safetensors", folder)
        check_records([Path(folder)])


@pytest.mark.parametrize("damage", DAMAGES)
def test_evidence_from_anywhere_is_checked_or_refused_in_words(judged: Path, tmp_path: Path, damage: str) -> None:
    shutil.copy(judged / "valuators.json", tmp_path)
    right = load_file(judged / "valuators.safetensors")
    for name, array in right.items():
        save_file(right | {name: np.ascontiguousarray(DAMAGES[damage](array))}, tmp_path / "valuators.safetensors")
        assert check_boards(board_files([tmp_path])).problems, name


def test_removal_of_the_network_needs_retraining(suite_file: Callable[..., Any]) -> None:
    path = suite_file(("valuators:\n", "valuation: {removal: {network: [0.1]}}\nvaluators:\n"))
    with pytest.raises(InputError, match=r"valuation.removal.network: .*judge: retraining"):
        harness.load_suite(path)


def test_a_classifier_that_cannot_be_trained_cannot_judge(suite_file: Callable[..., Any], tmp_path: Any) -> None:
    path = suite_file(("valuators:\n", "valuation: {judge: retrainin}\nvaluators:\n"))
    with pytest.raises(InputError, match=r"judge: .*retraining"):
        harness.load_suite(path)
