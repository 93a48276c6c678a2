"""What a run cost is in its records and in manifests, and nowhere in what was computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from harness import registry as module
from harness.components import Metric, Outcome, Score, Scores
from harness.records.model import RecordFolder

WITH_COSTS = (
    ("[accuracy, confidence, uu, ece]", "[accuracy, cost, matched-uu]"),
    ("valuators:\n", "valuation: {noise: 0.25}\nvaluators:\n  random: random\n"),
)


def payloads(store: Path) -> dict[str, bytes]:
    """Every file of every artifact but the manifests."""
    root = store / "artifacts"
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "artifact.json"
    }


def timeless(record: RecordFolder) -> dict[str, Any]:
    """A header without what differs from run to run."""
    header = record.header.model_dump(exclude={"timings", "usage", "environment"})
    header["scores"] = {name: score for name, score in header["scores"].items() if not score["volatile"]}
    return header


def test_payloads_hold_nothing_of_when_or_how_fast_they_were_computed(
    run_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    runs = [run_tiny(*WITH_COSTS, arms=("only", "ibs+wldv"), output=name, store=name) for name in ("one", "two")]
    assert not [failure for run in runs for failure in run.failures]
    one, two = payloads(tmp_path / "one"), payloads(tmp_path / "two")
    assert {name.partition("/")[0] for name in one} == {
        *("load", "label-noise", "embed", "fine-tune", "value", "elicit", "generate", "extend"),
        *("select", "attack-training", "predict", "attack", "evaluate", "assess"),
    }
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    for left, right in zip(*(run.records for run in runs), strict=True):
        assert timeless(left) == timeless(right)

    (manifest, *_) = (tmp_path / "one" / "artifacts" / "assess").glob("*/artifact.json")
    measured = json.loads(manifest.read_text(encoding="utf-8"))["meta"]["valuation"]
    assert measured["seconds"] > 0
    assert "peak_bytes" in measured
    assert (runs[0].valuations[0].board["seconds"] > 0).all()

    record = next(record for record in runs[0].records if record.header.arm == "ibs+wldv")
    scores = record.header.scores
    costs = {name: score for name, score in scores.items() if score.metric == "cost"}
    assert {"seconds", "seconds/fine-tune", "seconds/attack", "seconds/generate", "peak_memory_bytes"} <= costs.keys()
    assert "seconds/evaluate" not in costs
    assert all(score.volatile and score.value is not None and score.value >= 0 for score in costs.values())
    assert not any(score.volatile for name, score in scores.items() if name not in costs)
    order = [score.metric for score in scores.values()]
    assert list(dict.fromkeys(order)) == ["accuracy", "cost", "matched-uu"]
    assert order == sorted(order, key=["accuracy", "cost", "matched-uu"].index)
    assert record.verify() == []


class Price(Metric):
    """Seconds per right answer, in every form that a metric has for its figures."""

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"costs", "train"})

    name: str = "price"

    def score(self, outcome: Outcome) -> Scores:
        seconds, right = outcome.costs["seconds"], outcome.probs.argmax(axis=1) == outcome.labels
        figures = {
            self.name: Score(seconds / len(outcome.train), "lower", 0, meaning="Seconds per training example."),
            "price/spread": Score(seconds * float(np.mean(right)), meaning="Seconds times accuracy."),
            "price/right": Score(float(right.mean()), "higher", 0, 1, right, meaning="Accuracy."),
        }
        return Scores(figures, {"stages": pd.DataFrame({"stage": list(outcome.costs), "cost": outcome.costs.values()})})


@pytest.fixture
def price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the class above known as ``price``."""
    registry = module.Registry()
    registry.add("metric", "price", Price)
    monkeypatch.setattr(module, "_default", registry)


@pytest.mark.usefixtures("price")
def test_a_metric_of_costs_stands_beside_the_others_in_every_file(run_tiny: Callable[..., Any]) -> None:
    run = run_tiny(("[accuracy, confidence, uu, ece]", "[price, accuracy, ece]"), arms=("only",))
    assert not run.failures
    (record,) = run.records
    assert record.verify() == []
    assert list(record.header.scores)[:3] == ["price", "price/spread", "price/right"]
    examples, replicates = record.frame("per_example"), record.frame("replicates")
    assert list(examples["price/right"]) == list(examples["accuracy/clean"])
    assert {"price", "price/spread", "ece/clean"} <= set(replicates)
    assert len(replicates) == 200
    table = record.frame("tables/price.stages").set_index("stage")["cost"]
    assert table["seconds"] == pytest.approx(record.header.scores["price"].value * 80)
    assert run_tiny(("[accuracy, confidence, uu, ece]", "[price, accuracy, ece]"), arms=("only",)).computed == 0


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("[accuracy, {use: price, name: accuracy/clean}]", "Two metrics of the suite compute a figure called 'accuracy/clean'"),
        ("[cost, {use: price, name: seconds}]", "Two metrics of the suite compute a figure called 'seconds'"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("price")
def test_figures_of_one_name_leave_the_arm_out(run_tiny: Callable[..., Any], metrics: str, message: str) -> None:
    run = run_tiny(("[accuracy, confidence, uu, ece]", metrics), arms=("only",))
    assert not run.records
    assert [str(failure).splitlines()[0] for failure in run.failures] == [
        f"evaluate reviews · only · seed 0: {message}; remove one of them."
    ]
