"""An attack that is put to a sample of the test set: clean figures are of all of it, those of the attack of the sample."""

import json

import numpy as np
import pytest

import harness
from harness.report.check import check_records
from harness.suite import parse_suite


@pytest.fixture(scope="module")
def runs(checkpoint, data, tmp_path_factory):
    root = tmp_path_factory.mktemp("sampled")

    def run(**attack):
        suite = {
            "name": f"limit-{attack.get('limit', 'none')}",
            "models": {
                "tiny": {"use": "transformers", "checkpoint": str(checkpoint), "epochs": 4, "learning_rate": 5.0e-3}
            },
            "datasets": {"reviews": {"use": "files", "folder": str(data), **FILES}},
            "test_attack": {"use": "deepwordbug", **attack},
            "arms": {"only": {}},
            "metrics": ["accuracy", "uu", "ece", "attack", "confidence", "brier"],
        }
        return harness.run(parse_suite(suite), output=root / "runs", store=root / "store")

    return {"all": run(), "sample": run(limit=10), "more": run(limit=1000)}


FILES = {split: f"{split}.csv" for split in ("train", "validation", "test")}


def test_every_population_says_how_many_examples_it_is_over(runs):
    (everything,), (sample,) = runs["all"].records, runs["sample"].records
    frame = sample.frame("predictions")
    reached = (frame["status"] != "unattacked").to_numpy()
    assert (len(frame), reached.sum()) == (24, 10)
    for name, score in sample.header.scores.items():
        clean = name.endswith("/clean")
        assert score.n == (None if clean else 10), name
        if clean:
            assert score.value == everything.header.scores[name].value, name
    contributions = sample.frame("per_example")
    uus = contributions["uu@0.65/deployed"].to_numpy(float)
    assert (np.isnan(uus) == ~reached).all()
    assert sample.header.scores["uu@0.65/deployed"].value == np.nansum(uus)
    assert sample.header.scores["uu@0.65/deployed"].high == 10
    assert sample.header.scores["accuracy/attacked"].value == pytest.approx(
        1 - (frame["status"][reached] != "failed").mean()
    )


def test_intervals_are_of_the_sample(runs):
    cell = {
        name: json.loads((run.folder / "leaderboard.json").read_text())["boards"][0]["rows"][0]["scores"]
        for name, run in runs.items()
    }
    wide = {
        name: found["accuracy/attacked"]["high"] - found["accuracy/attacked"]["low"] for name, found in cell.items()
    }
    assert wide["sample"] > wide["all"]
    count = cell["sample"]["uu@0.65/deployed"]
    assert 0 <= count["low"] <= count["value"] <= count["high"] <= 10
    for name in ("leaderboard.md", "report.html"):
        assert "10 of the 24 test examples were attacked" in (runs["sample"].folder / name).read_text(encoding="utf-8")


def test_a_sample_is_checked_like_any_record_and_one_of_all_is_none(runs):
    for run in runs.values():
        report = check_records([run.records[0].folder])
        assert report.problems == []
    assert runs["more"].records[0].header.scores == runs["all"].records[0].header.scores
