"""The command line: exit codes, messages, and nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def edited(path: Path, column: str, value: str) -> None:
    """Overwrite one cell of the third row, or rename the column if there is no value."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if not value:
        lines[0] = lines[0].replace(column, f"{column}s")
    else:
        text, label = lines[3].split(",")
        lines[3] = f"{text},{value}" if column == "label" else f"{value},{label}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seeds: [0]", "seeds: [0", "tiny.yaml:"),
        ("seeds: [0]", "sedes: [0]", "Did you mean 'seeds'?"),
        ("name: tiny", "name: tiny\nname: again", "tiny.yaml:3:1"),
        ("use: dvrl", "use: dvlr", "Did you mean 'dvrl'?"),
        ("attack: deepwordbug", "attack: acme-attack", "acme-attack"),
        ("iterations: 20", "iteratons: 20", "Did you mean 'iterations'"),
        ("weights: dvrl}\n  ibs:", "weights: dvlr}\n  ibs:", "Did you mean 'dvrl'?"),
        ("learning_rate: 0.01", "learning_rate: on", "number"),
        ("test.csv", "tets.csv", "Did you mean 'test.csv'?"),
        ("checkpoint: ", "checkpoint: /no/such", "/no/such"),
    ],
)
def test_a_wrong_suite_is_refused_before_any_work(
    cli: Callable[..., tuple], suite_file: Callable[..., Path], tmp_path: Path, old: str, new: str, expected: str
) -> None:
    code, _, errors = cli("run", suite_file((old, new)))
    assert code == 2, errors
    assert expected in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda folder: edited(folder / "train.csv", "text", ""), "Did you mean 'texts'?"),
        (lambda folder: edited(folder / "train.csv", "label", " "), "train.csv"),
        (lambda folder: (folder / "test.csv").write_text("text,label\n"), "test"),
        (
            lambda folder: (folder / "train.csv").write_text("text,label\n" + "good film,1\n" * 8 + "bad film,1\n"),
            "training examples",
        ),
    ],
)
def test_bad_data_is_one_message_and_exit_code_2(
    cli: Callable[..., tuple],
    suite_file: Callable[..., Path],
    data: Path,
    tmp_path: Path,
    edit: Callable,
    expected: str,
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    edit(copy)
    code, _, errors = cli("run", suite_file((str(data), str(copy))), "--arm", "only")
    assert code == 2, errors
    assert expected in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("option", ["--jobs", "--threads"])
@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_jobs_that_makes_no_sense_is_refused(
    cli: Callable[..., tuple], suite_file: Callable[..., Path], tmp_path: Path, option: str, number: str
) -> None:
    code, _, errors = cli("run", suite_file(), option, number)
    assert code == 2
    assert option.strip("-") in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "runs").exists()


def test_stages_that_failed_are_not_counted_as_computed(
    cli: Callable[..., tuple], suite_file: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "copy")
    (tmp_path / "copy" / "test.csv").write_text("text,label\n", encoding="utf-8")
    _, _, errors = cli("run", suite_file((str(data), str(tmp_path / "copy"))), "--arm", "only")
    assert "0 stages computed" in errors


@pytest.mark.parametrize("unreadable", ["data/train.csv", "bert/model.safetensors"])
def test_a_file_that_cannot_be_read_is_one_message(
    cli: Callable[..., tuple],
    suite_file: Callable[..., Path],
    checkpoint: Path,
    data: Path,
    tmp_path: Path,
    unreadable: str,
) -> None:
    shutil.copytree(data, tmp_path / "data")
    shutil.copytree(checkpoint, tmp_path / "bert")
    (tmp_path / unreadable).unlink()
    (tmp_path / unreadable).symlink_to("/proc/self/mem")  # opens, and fails to be read, for root too
    suite = suite_file((str(data), "data"), (str(checkpoint), "./bert"))
    for command in ("plan", "run"):
        code, _, errors = cli(command, suite)
        assert code == 2
        place = "datasets.reviews" if "data" in unreadable else "models.bert"
        assert errors.startswith(f"error: {place}: ")
        assert "cannot be read: Input/output error" in errors
        assert "Traceback" not in errors


def test_relative_folders_of_a_suite_start_beside_it(
    cli: Callable[..., tuple], suite_file: Callable[..., Path], checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "suites").mkdir()
    shutil.copytree(checkpoint, tmp_path / "suites" / "bert")
    shutil.copytree(data, tmp_path / "suites" / "reviews")
    suite = suite_file((str(checkpoint), "./bert"), (str(data), "reviews"), name="suites/tiny.yaml")
    code, _, errors = cli("plan", suite)
    assert code == 0, errors


def test_a_plan_leaves_no_trace(cli: Callable[..., tuple], suite_file: Callable[..., Path], tmp_path: Path) -> None:
    suite = suite_file()
    before = sorted(tmp_path.iterdir())
    assert cli("plan", suite)[0] == 0
    assert cli("cache", "--store", tmp_path)[1].startswith("There is no store")
    assert sorted(tmp_path.iterdir()) == before


LOUD = """
import logging
from typing import ClassVar

import numpy as np

import harness


class Loud(harness.Valuator):
    api_version: ClassVar[int] = 1

    def value(self, problem, *, seed):
        logging.getLogger("loud").warning("something odd")
        return np.ones(len(problem.y_train))
"""


def test_a_plan_refuses_what_a_run_refuses(
    cli: Callable[..., tuple], suite_file: Callable[..., Path], checkpoint: Path
) -> None:
    suite = suite_file((str(checkpoint), "bert-base-uncased"))
    planned, ran = cli("plan", suite), cli("run", suite)
    assert planned[0] == ran[0] == 2
    assert "bert-base-uncased" in planned[2]
    assert planned[2] == ran[2]


def test_the_log_is_shown_on_request(
    cli: Callable[..., tuple], suite_file: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "loud.py").write_text(LOUD, encoding="utf-8")
    suite = suite_file(("use: dvrl, iterations: 20", "use: ./loud.py:Loud"))
    code, _, errors = cli("run", suite, "--arm", "wldv", "--jobs", 1, "--limit", 16, "-v")
    assert code == 0, errors
    assert "WARNING loud: something odd" in errors
    assert "WARNING loud: something odd" in (tmp_path / "runs" / "tiny" / "log.txt").read_text(encoding="utf-8")


def test_several_errors_at_once(cli: Callable[..., tuple], suite_file: Callable[..., Path]) -> None:
    code, _, errors = cli("validate", suite_file(("seeds: [0]", "sedes: [0]"), ("iterations", "iteratons")))
    assert code == 2
    assert "Did you mean 'seeds'?" in errors
    assert "Did you mean 'iterations'" in errors


def test_overrides_name_themselves_in_errors(cli: Callable[..., tuple], suite_file: Callable[..., Path]) -> None:
    code, _, errors = cli("validate", suite_file(), "--set", "valuators.dvrl.iterations=many")
    assert code == 2
    assert "--set valuators.dvrl.iterations=many" in errors


def test_plan_then_run_then_plan(cli: Callable[..., tuple], suite_file: Callable[..., Path], tmp_path: Path) -> None:
    suite = suite_file()
    code, output, errors = cli("plan", suite, "--json")
    assert code == 0, errors
    before = json.loads(output)
    assert {stage["state"] for stage in before["stages"]} == {"compute"}
    assert not (tmp_path / "runs").exists()
    code, output, errors = cli("run", suite, "--arm", "only", "--arm", "wldv")
    assert code == 0, errors
    assert "wldv" in output
    after = json.loads(cli("plan", suite, "--arm", "only", "--arm", "wldv", "--json")[1])
    assert {stage["state"] for stage in after["stages"]} == {"cached"}
    more = json.loads(cli("plan", suite, "--json")[1])
    assert {"cached", "compute"} == {stage["state"] for stage in more["stages"]}
    events = [json.loads(line) for line in (tmp_path / "runs/tiny/events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events][:2] == ["harness", "run_started"]
    assert events[-1]["event"] == "run_finished"


def test_the_cache_command(cli: Callable[..., tuple], suite_file: Callable[..., Path], tmp_path: Path) -> None:
    assert "no store" in cli("cache")[1]
    cli("run", suite_file(), "--arm", "only", "--limit", 16)
    assert "fine-tune" in cli("cache")[1]
    (predictions,) = (tmp_path / ".harness/artifacts/evaluate").glob("*/predictions.parquet")
    predictions.write_bytes(predictions.read_bytes()[::-1])
    code, output, _ = cli("cache", "--verify")
    assert code == 0
    assert "damaged" in output
    assert "deleted" in cli("cache", "--clear")[1]
    assert not list((tmp_path / ".harness/artifacts/load").iterdir())


def test_unknown_arms_and_data_sets(cli: Callable[..., tuple], suite_file: Callable[..., Path]) -> None:
    code, _, errors = cli("run", suite_file(), "--arm", "blis")
    assert code == 2
    assert "Did you mean 'bliss'" in errors
    assert cli("run", suite_file(), "--limit", 0)[0] == 2


def test_the_schema_is_json(cli: Callable[..., tuple], tmp_path: Path) -> None:
    code, output, _ = cli("schema")
    assert code == 0
    assert "$schema" in json.loads(output)
    assert cli("schema", "--output", "schema.json")[0] == 0
    assert json.loads((tmp_path / "schema.json").read_text()) == json.loads(output)
    code, _, errors = cli("schema", "--output", "no/such/folder.json")
    assert code == 2
    assert "Traceback" not in errors
