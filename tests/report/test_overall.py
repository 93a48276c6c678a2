"""Arms over several data sets: pooled differences, rank intervals, and what becomes of cells that are missing."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from harness.records.model import find_records
from harness.report import Leaderboard, build
from harness.report.html import render
from harness.report.overall import pooled
from harness.statistics.intervals import Estimate
from harness.testing.records import PretendArm, pretend_record

ARMS = [
    PretendArm("only"),
    PretendArm("better", skill=2.2, robustness=0.4),
    PretendArm("again", skill=1.01),
    PretendArm("absent", skill=1.01),
]
DATASETS = ("mrpc", "films", "mail", "news", "sports", "wine")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("records")
    for number, dataset in enumerate(DATASETS):
        for arm in ARMS:
            if arm.name != "absent" or number:
                pretend_record(root, arm, seed=number, size=120, suite="wide", dataset=dataset, resamples=2)
    return root


@pytest.fixture(scope="module")
def leaderboard(root: Path) -> Leaderboard:
    return build(find_records([root]))


def test_the_mean_of_independent_estimates() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.normal(0.3, scale, size) for scale, size in ((1.0, 12), (3.0, 7), (0.2, 30))]
    found = pooled([Estimate(x.mean(), stats.sem(x), examples_freedom=len(x) - 1) for x in samples])
    variances = [x.var(ddof=1) / len(x) for x in samples]
    assert found.value == pytest.approx(np.mean([x.mean() for x in samples]))
    assert found.error == pytest.approx(math.sqrt(sum(variances)) / 3)
    welch = sum(variances) ** 2 / sum(v**2 / (len(x) - 1) for v, x in zip(variances, samples, strict=True))
    assert found.examples_freedom == pytest.approx(welch)


def test_the_interval_of_a_pooled_difference_covers() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(2000):
        parts = []
        for scale, size in ((1.0, 8), (2.0, 5), (0.5, 20)):
            x = rng.normal(0.3, scale, size)
            parts.append(Estimate(x.mean(), 0.0, stats.sem(x), seeds_freedom=size - 1))
        interval = pooled(parts).interval()
        hits += interval.low <= 0.3 <= interval.high
    assert 0.935 <= hits / 2000 <= 0.975


def test_the_mean_is_over_data_sets_in_shares_of_their_test_examples(leaderboard: Leaderboard) -> None:
    (found,) = leaderboard.overall
    rows = {row.arm: row for row in found.rows}
    values = [board.row("better").scores[found.score].value / board.test for board in leaderboard.boards]
    differences = [board.row("better").differences[found.score].value / board.test for board in leaderboard.boards]
    assert rows["better"].value == pytest.approx(np.mean(values))
    assert rows["better"].difference == pytest.approx(np.mean(differences))
    assert rows["better"].p_datasets == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert rows["only"].difference is None


def test_ranks_are_intervals_and_missing_cells_are_not_ranked(leaderboard: Leaderboard) -> None:
    rows = {row.arm: row for row in leaderboard.overall[0].rows}
    assert rows["better"].rank == (1, 1)
    assert rows["only"].rank == rows["again"].rank == (2, 3)
    assert (rows["absent"].rank, rows["absent"].value, rows["absent"].datasets) == (None, None, 5)


def test_a_flagged_arm_is_not_ranked_either(tmp_path: Path) -> None:
    for dataset in ("mrpc", "films"):
        for arm in (PretendArm("only"), PretendArm("timid", sharpness=0.5, skill=0.8), PretendArm("good", skill=2.5)):
            pretend_record(tmp_path, arm, size=300, suite="wide", dataset=dataset, resamples=2)
    built = build(find_records([tmp_path]))
    flagged = {row.arm for board in built.boards for row in board.measured if row.flags}
    (found,) = built.overall
    assert {row.arm for row in found.rows if row.rank is None} == flagged
    assert found.rows[0].p_datasets is None, "two data sets say nothing of others"
    assert "over 2 data sets" in render(find_records([tmp_path]), built, title="wide")


def test_one_data_set_has_no_summary(root: Path, leaderboard: Leaderboard) -> None:
    assert build([r for r in find_records([root]) if r.header.dataset == "mrpc"]).overall == ()
    assert leaderboard.filter(datasets=["mrpc"]).overall == ()
    assert leaderboard.filter(suites=["wide"]).overall == leaderboard.overall


def test_every_form_has_it(root: Path, leaderboard: Leaderboard) -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(leaderboard.to_rich())
    assert all(len(line.rstrip()) <= 80 for line in stream.getvalue().splitlines())
    for text in (stream.getvalue(), leaderboard.to_markdown(), leaderboard.to_latex()):
        assert "over 6 data sets" in text
        assert "5 of 6" in text
    assert json.loads(leaderboard.to_json())["overall"][0]["rows"][0]["arm"] == "better"
    assert Leaderboard.model_validate_json(leaderboard.to_json()).to_json() == leaderboard.to_json()
