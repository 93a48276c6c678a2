"""A whole suite on planted data: the arm that sees through the plant repairs it, an arm that does nothing does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import harness
from harness.report.model import Row

SUITE = """
name: planted-tiny
seeds: [0, 1, 2]
models:
  bert: {{use: transformers, checkpoint: {checkpoint}, epochs: 8, batch_size: 8, learning_rate: 0.003}}
datasets:
  reviews:
    use: planted
    source: {{use: files, folder: {data}, train: train.csv, validation: validation.csv, test: test.csv}}
    spots: [{{kind: mislabelled, name: charm, words: [charming], label: 1}}]
valuators: {{shapley: data-shapley, chance: random}}
arms:
  only: {{}}
  nothing: {{}}
  chance: {{weights: chance, weights_normalisation: mean}}
  right: {{weights: shapley, weights_normalisation: mean}}
metrics: [accuracy, confidence, uu, blind-spots]
"""


@pytest.mark.slow
def test_the_right_arm_wins_and_doing_nothing_does_not(
    tmp_path: Path, write_reviews: Callable[..., Path], checkpoint: Path
) -> None:
    path = tmp_path / "suite.yaml"
    data = write_reviews(train=300, validation=160, test=160)
    path.write_text(SUITE.format(checkpoint=checkpoint, data=data), encoding="utf-8")
    run = harness.run(harness.load_suite(path), output=tmp_path / "runs", store=tmp_path / "store")
    assert not run.failures
    rows = {row.arm: row for row in run.leaderboard.boards[0].rows}
    only, nothing, chance, right = (rows[arm] for arm in ("only", "nothing", "chance", "right"))

    assert figure(only, "planted_uu_rate@0.65") > 0.8, "the plant has to take"
    assert figure(only, "accuracy/clean") > 0.7

    assert figure(right, "planted_repaired") > 0.8
    assert figure(right, "planted_cost") < 0.05
    assert right.differences["planted_accuracy/charm"].value > 0.8
    fewer = right.differences["uu@0.65/clean"]
    assert fewer.high is not None
    assert fewer.high < 0
    assert fewer.p_holm is not None
    assert fewer.p_holm < 0.05
    assert right.rank == 1
    assert not right.flags

    # An arm that does nothing differs in nothing; one that weights by chance does no better.
    assert figure(nothing, "planted_repaired") == 0
    assert nothing.differences["planted_accuracy/charm"].value == 0
    assert figure(chance, "planted_repaired") < 0.2
    assert only.rank == nothing.rank == chance.rank == 2


def figure(row: Row, name: str) -> float:
    value = row.scores[name].value
    assert value is not None
    return value
