"""Lists of examples: what is listed is what the definitions say, in every form."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import InputError
from harness.records.model import find_records
from harness.report import build
from harness.report.comparing import compare
from harness.report.listing import CHANGED, listing
from harness.testing.records import PretendArm, pretend_record


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("listing")
    for arm in (PretendArm("only"), PretendArm("bliss", skill=1.4, robustness=0.4)):
        for seed in (0, 1):
            pretend_record(root, arm, seed=seed, size=80, resamples=3)
    return root


@pytest.fixture(scope="module")
def records(folder: Path):
    return find_records([folder])


def test_what_is_listed_is_what_the_scores_count(records) -> None:
    for record in records:
        arm, seed = record.header.arm, record.header.seed
        for tau in (0.65, 0.9):
            for clean, population in ((False, "deployed"), (True, "clean")):
                found = listing(records, arm=arm, tau=tau, clean=clean)
                assert (found["confidence"] >= tau - 1e-6).all()
                assert (found["label"] != found["predicted"]).all()
                count = record.header.scores[f"uu@{tau:g}/{population}"].value
                assert (found["seed"] == seed).sum() == count
    everything = listing(records, arm="only", kind="all")
    assert len(everything) == 160
    assert set(everything["kind"]) == {"uu", "error", "right"}
    hit = everything[everything["perturbed"] != ""]
    assert 0 < len(hit) < len(everything)
    assert (hit["perturbed"] != hit["text"]).all()


def test_kinds_of_change_are_those_of_compare(records) -> None:
    sides = [[record for record in records if record.header.arm == arm] for arm in ("only", "bliss")]
    compared = compare(*sides)[0]
    for name, kind in CHANGED.items():
        found = listing(records, arm="bliss", kind=name)
        expected = [(change.seed, change.id) for change in compared.changes if change.change == kind]
        assert sorted(zip(found["seed"], found["id"], strict=True)) == sorted(expected)
    changed = listing(records, arm="bliss", against="only", kind="changed")
    assert len(changed) == len(compared.changes) > 0
    right_now = changed["kind"] == "repaired"
    assert (changed["predicted"] == changed["label"])[right_now].all()
    assert (changed["against_predicted"] != changed["label"])[right_now].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "several arms of data set pretend: only, bliss"),
        ({"arm": "blis"}, "no arm 'blis'. Did you mean 'bliss'"),
        ({"arm": "only", "kind": "repared"}, "no examples of kind 'repared'. Did you mean 'repaired'"),
        ({"arm": "only", "kind": "broken"}, "Arm 'only' cannot be compared with itself"),
        ({"arm": "only", "tau": 65.0}, "--tau 65.0: a confidence threshold lies above 0 and is at most 1"),
    ],
)
def test_what_cannot_be_listed_is_said(records, options, message: str) -> None:
    with pytest.raises(InputError) as error:
        listing(records, **options)
    assert message in error.value.message


def test_the_command_prints_every_form(folder: Path, records, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["examples", str(folder), "--arm", "bliss", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    found = listing(records, arm="bliss")
    written = tmp_path / "uus.csv"
    assert run("-f", "csv", "-o", str(written)) == ""
    pd.testing.assert_frame_equal(pd.read_csv(written, keep_default_na=False), found, check_dtype=False)
    lines = [json.loads(line) for line in run("-f", "jsonl").splitlines()]
    assert [line["id"] for line in lines] == found["id"].tolist()
    table = run("--kind", "changed", "-n", "3")
    assert "3 of" in table
    assert "only" in table
    assert (
        len(json.loads(f"[{','.join(run('-f', 'jsonl', '--seed', '1').splitlines())}]")) == (found["seed"] == 1).sum()
    )


def test_a_board_says_why_it_has_no_blind_spots(tmp_path: Path) -> None:
    for arm in (PretendArm("only"), PretendArm("sure", skill=9.0)):
        record = pretend_record(tmp_path, arm, size=60, resamples=3)
        header = record.header
        zero = header.scores["uu@0.65/clean"].model_copy(
            update={"value": 0.0, "decomposes": False, "metric": "blind-spots"}
        )
        path = record.folder / "record.json"
        path.write_text(header.model_copy(update={"scores": header.scores | {"blind_spots": zero}}).model_dump_json())
    said = " ".join(build(find_records([tmp_path]), baselines=()).boards[0].notes)
    assert "No blind spots of only: it has" in said
    assert "of which no 3 lie close together" in said
    assert "No blind spots of sure: it has no unknown unknowns at 0.65 (clean)." in said
