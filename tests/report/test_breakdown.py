"""Figures by group of test examples: they are the plain means over the group, compared as the whole is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from harness import component
from harness.cli import app
from harness.errors import InputError
from harness.records.model import find_records
from harness.records.writer import write_record
from harness.report import build, compare
from harness.report.breakdown import breakdown, confusions, groupings, worst
from harness.report.groups import groups
from harness.report.html import render
from harness.testing.records import PretendArm, pretend_record

RATE = "uu_rate@0.65/deployed"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two arms and seeds; a third of the examples are of source a, on which arm ``ibs`` has got no better."""
    root = tmp_path_factory.mktemp("groups")
    for arm in (PretendArm("only"), PretendArm("ibs", skill=1.3, robustness=0.4)):
        for seed in (0, 1):
            metrics = ("accuracy", "confidence", "uu")
            made = pretend_record(root / "plain", arm, seed=seed, size=60, metrics=metrics, resamples=3)
            names = ("predictions", "validation", "texts", "per_example", "replicates")
            frames = {name: made.frame(name) for name in names}
            tags = [["source=a" if i % 3 == 0 else "source=b", "planted"] for i in range(60)]
            frames["predictions"] = frames["predictions"].assign(tags=tags)
            write_record(root / "tagged" / arm.name / str(seed), made.header, frames)
    return root / "tagged"


@pytest.fixture(scope="module")
def group(folder: Path):
    return groups(find_records([folder]))[0]


def test_a_groups_figure_is_the_mean_over_its_examples(group) -> None:
    assert groupings(group) == ["source", "label"]
    strata = breakdown(group, "source")
    assert [(one.value, one.n) for one in strata] == [("b", 40), ("a", 20)]
    for one in strata:
        inside = np.arange(60) % 3 == (0 if one.value == "a" else 1)
        inside |= (np.arange(60) % 3 == 2) & (one.value == "b")
        for arm, seeds in group.members.items():
            for score in ("accuracy/clean", RATE, "confidence/clean"):
                values = [member.contributions[score][inside].mean() for member in seeds.values()]
                figure = one.scores[arm][score]
                assert figure.value == pytest.approx(np.mean(values))
                assert figure.low <= figure.value <= figure.high
        apart = one.differences["ibs"][RATE]
        assert apart.value == pytest.approx(one.scores["ibs"][RATE].value - one.scores["only"][RATE].value)
        assert apart.p_holm >= apart.p
        assert not any(name.startswith("uu@") for name in one.scores["only"])  # counts are of the whole


def test_one_group_of_all_examples_is_the_board(group, folder: Path) -> None:
    whole = build(find_records([folder]), baselines=()).boards[0]
    classes = breakdown(group, "label", ["accuracy/clean"])
    weighted = sum(one.n * one.scores["ibs"]["accuracy/clean"].value for one in classes) / 60
    assert weighted == pytest.approx(whole.row("ibs").scores["accuracy/clean"].value)
    counted = confusions(group, "ibs")
    assert sum(counted.values()) == pytest.approx(60)
    right = sum(count for (true, predicted), count in counted.items() if true == predicted)
    assert right / 60 == pytest.approx(weighted)


def test_boards_comparisons_and_pages_name_groups(group, folder: Path) -> None:
    records = find_records([folder])
    leaderboard = build(records, baselines=())
    strata = breakdown(group, "source", [RATE])
    found = worst(strata, "ibs", RATE, higher_is_better=False)
    assert found.scores["ibs"][RATE].value == max(one.scores["ibs"][RATE].value for one in strata)
    note = next(line for line in leaderboard.boards[0].notes if line.startswith("Worst source"))
    assert f"in {found.value} ({found.n})" in note
    sides = [[record for record in records if record.header.arm == arm] for arm in ("only", "ibs")]
    compared = compare(*sides)[0]
    assert [one.value for one in compared.strata] == ["b", "a"]
    assert compared.strata[0].differences["ibs"][RATE].value == strata[0].differences["ibs"][RATE].value
    page = render(records, leaderboard, title="groups")
    assert "By source" in page
    assert "By class" in page
    assert "Confusion of classes" in page


def test_the_command(folder: Path) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["leaderboard", str(folder), *arguments])
        assert result.exit_code == code, result.output
        return result.output

    assert "takes for what" in run("--by", "label")
    rows = json.loads(run("--by", "source", "-f", "json", "--arm", "ibs"))
    assert {row["value"] for row in rows} == {"a", "b"}
    with pytest.raises(InputError, match=r"not grouped by 'sorce'\. Did you mean 'source'"):
        breakdown(groups(find_records([folder]))[0], "sorce")


def test_columns_become_groups(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        rows = "\n".join(f"a fine film {split} {i},{i % 2},{'de' if i % 3 else ''}" for i in range(6))
        (tmp_path / f"{split}.csv").write_text(f"text,label,language\n{rows}\n")
    files = {split: f"{split}.csv" for split in ("train", "validation", "test")}
    plain = component("dataset", "files", folder=str(tmp_path), **files)
    grouped = component("dataset", "files", folder=str(tmp_path), groups=["language"], **files)
    assert [example.tags for example in grouped.load(seed=0).test[:2]] == [("language=(none)",), ("language=de",)]
    assert "groups" not in plain.identity()
    assert plain.identity() | {"groups": ["language"]} == grouped.identity()
    with pytest.raises(InputError, match="no column 'langage'"):
        component("dataset", "files", folder=str(tmp_path), groups=["langage"], **files).load(seed=0)
