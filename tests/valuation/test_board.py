"""Valuators over draws of the problem: intervals, paired tests, shared ranks, and every form of their board."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.errors import InputError
from harness.valuation.board import Judged
from harness.valuation.comparing import ValuatorComparison
from harness.valuation.files import read_reports, to_json, to_latex, to_markdown
from harness.valuation.report import ValuationReport, make_report

CURVES = pd.DataFrame({"removed": [0.0, 0.5], "remove_high": [0.8, 0.6], "remove_low": [0.8, 0.7]})
AUROC = {"good": 0.80, "also good": 0.79, "poor": 0.60}


def made(draws: int, *, seeds: int = 2, noise: float = 0.2) -> ValuationReport:
    """Three methods: two that differ less than draws do, and one that is worse on every draw; ``poor`` ignores its seed."""
    rng, items = np.random.default_rng(3), []
    luck = {name: 0.03 * rng.standard_normal(draws) for name in AUROC}
    for name, level in AUROC.items():
        for draw in range(draws):
            values = rng.standard_normal(50)
            for seed in range(seeds):
                own = (
                    values if name == "poor" else values + 0.1 * np.random.default_rng([draw, seed]).standard_normal(50)
                )
                auroc = level + luck[name][draw] + 0.001 * seed if noise else math.nan
                costs = {"seconds": 0.5, "peak_mb": 3.0}
                items.append(
                    Judged(name, draw, seed, own, {"auroc": auroc, "f1": auroc, "removal_area": 0.1, **costs}, CURVES)
                )
    return make_report("reviews", noise, items)


def test_the_mean_and_its_interval_are_over_draws() -> None:
    report = made(5)
    row = report.board.set_index("valuator").loc["good"]
    means = report.runs.query("valuator == 'good'").groupby("draw")["auroc"].mean()
    low, high = stats.t.interval(0.95, 4, means.mean(), stats.sem(means))
    assert (row["auroc"], row["auroc_low"], row["auroc_high"]) == pytest.approx((means.mean(), low, high))
    assert row["auroc_min"] == report.runs.query("valuator == 'good'")["auroc"].min()


def test_two_valuators_are_compared_draw_by_draw() -> None:
    report = made(5)
    wide = report.runs.pivot_table(index="draw", columns="valuator", values="auroc")
    expected = stats.ttest_rel(wide["good"], wide["poor"])
    mean_a, mean_b, found = ValuatorComparison.of(report, "poor", "good").figures["auroc"]
    assert found.p == pytest.approx(expected.pvalue)
    assert mean_b - mean_a == pytest.approx(found.estimate.value)
    low, high = expected.confidence_interval()
    assert (found.estimate.interval().low, found.estimate.interval().high) == pytest.approx((low, high))


def test_valuators_that_cannot_be_told_apart_share_a_rank_and_the_best_mark() -> None:
    rows = {name: (rank, cells[0].best) for rank, name, cells in made(8).rows()}
    assert rows == {"good": ("1", True), "also good": ("1", True), "poor": ("3", False)}


def test_one_draw_ranks_nobody_and_says_so() -> None:
    report = made(1)
    assert report.board["rank"].isna().all()
    assert report.board["auroc_low"].isna().all()
    assert not any(cells[0].best for _, _, cells in report.rows())
    assert "One draw" in to_markdown(report)
    assert "rank" not in report.table()[0]


def test_a_method_that_no_seed_changes_is_not_called_stable() -> None:
    board = made(2).board.set_index("valuator")
    assert board["fixed"].to_dict() == {"good": False, "also good": False, "poor": True}
    assert math.isnan(board.loc["poor", "stability"])
    assert 0.9 < board.loc["good", "stability"] < 1
    assert not made(2, seeds=1).board["fixed"].any(), "one seed tells nothing"


def test_without_wrong_labels_the_removal_area_ranks() -> None:
    report = made(2, noise=0)
    assert report.primary == "removal_area"
    assert "as they are" in report.title


@pytest.mark.parametrize("draws", [1, 3])
def test_the_file_gives_the_same_board_again(tmp_path: Path, draws: int) -> None:
    report = made(draws)
    (tmp_path / "valuators.json").write_text(to_json([report]))
    (again,) = read_reports(tmp_path)
    assert to_json([again]) == to_json([report])
    assert to_markdown(again) == to_markdown(report)


@pytest.mark.parametrize("text", ["", "[1]", "1", '[{"dataset": "x"}]', '[{"dataset": "x", "noise": null}]', "null"])
def test_a_damaged_file_is_one_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "valuators.json").write_text(text)
    with pytest.raises(InputError, match=r"valuators\.json: not a board of valuators"):
        read_reports(tmp_path)


def test_the_command_prints_every_form(tmp_path: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "valuators.json").write_text(to_json([made(4)]))
    forms = {
        form: cli("valuators", str(tmp_path), "--format", form)
        for form in ("table", "markdown", "latex", "csv", "json")
    }
    assert {code for code, _, _ in forms.values()} == {0}
    assert "50 points · 4 draws · 2 seeds" in forms["table"][1]
    assert forms["latex"][1].endswith(to_latex(made(4)))
    assert r"\begin{tabular}{rlrrrrrrr}" in forms["latex"][1]
    assert len(forms["csv"][1].splitlines()) == 4
    assert json.loads(forms["json"][1])[0]["points"] == 50


def test_a_narrow_terminal_loses_columns_and_says_which() -> None:
    from io import StringIO

    from rich.console import Console

    for width, lost in ((80, True), (200, False)):
        stream = StringIO()
        Console(file=stream, width=width).print(made(4).to_rich())
        text = stream.getvalue()
        assert max(map(len, text.splitlines()[1:6])) <= width
        assert "also good" in text
        assert "AUROC" in text
        assert ("Not shown for want of width: peak MB" in text) == lost


def test_the_command_compares_two(tmp_path: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "valuators.json").write_text(to_json([made(4)]))
    code, out, _ = cli("valuators", str(tmp_path), "--compare", "poor", "good")
    assert code == 0
    assert "good against poor" in out
    code, _, errors = cli("valuators", str(tmp_path), "--compare", "poor", "goood")
    assert code == 2
    assert "Did you mean 'good'" in errors
    code, _, errors = cli("compare", f"{tmp_path}:poor", f"{tmp_path}:good")
    assert code == 2
    assert "harness valuators" in errors
