"""What a suite means belongs to it: it can be computed in another process, checked and run again from another folder."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import harness
from harness.plan import make_plan

METHOD = '''
"""Longer reviews are worth more."""

from enum import Enum
from typing import ClassVar

import numpy as np

from harness import ValuationProblem, Valuator


class Sign(Enum):
    plus = 1
    minus = -1


class Norms(Valuator):
    """The length of an embedding."""

    api_version: ClassVar[int] = 1

    sign: Sign = Sign.plus

    def value(self, problem: ValuationProblem, *, seed: int):
        return np.linalg.norm(problem.x_train, axis=1) * self.sign.value + 100
'''

WORKER = """
import json, pickle, sys
from pathlib import Path
sent, out = Path(sys.argv[1]), Path(sys.argv[2])
stages, error = pickle.loads(sent.read_bytes())
from harness.stages.base import Context, Inputs, Stage
from harness.stages.load import Load
for stage in stages:
    for cached in ("id", "identity"):
        stage.__dict__.pop(cached, None)
    for value in vars(stage).values():
        getattr(value, "__dict__", {}).pop("identity", None)
(load,) = [stage for stage in stages if isinstance(stage, Load)]
load.compute(Inputs({}.get), Context(out)).write(out)
print(json.dumps({"ids": [stage.id for stage in stages], "error": str(error)}))
"""

RUN = """
import pickle, sys
from pathlib import Path
import harness
run = harness.run(pickle.loads(Path(sys.argv[1]).read_bytes()), output="runs", store=sys.argv[2])
print(run.computed, len(run.records), len(run.failures))
"""


@pytest.fixture
def home(tmp_path: Path, checkpoint: Path, data: Path, suite_file: Callable[..., Path]) -> Path:
    """A suite whose files all lie beside it: weights, reviews, and a method of its own."""
    folder = tmp_path / "suites"
    folder.mkdir()
    shutil.copytree(checkpoint, folder / "bert")
    shutil.copytree(data, folder / "reviews")
    (folder / "norms.py").write_text(METHOD, encoding="utf-8")
    return suite_file(
        (str(checkpoint), "./bert"),
        (str(data), "reviews"),
        ("dvrl: {use: dvrl, iterations: 20}", 'dvrl: {use: "./norms.py:Norms", sign: -1}'),
        name="suites/tiny.yaml",
    )


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which has nothing in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def python(code: str, *arguments: object, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, str]:
    """Digests of the files of an artifact, less what is about its computation."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "artifact.json"
    }


@pytest.mark.parametrize("planted", [False, True])
def test_a_stage_means_the_same_in_another_process(home: Path, elsewhere: Path, tmp_path: Path, planted: bool) -> None:
    if planted:
        inner = "source: {use: files, folder: reviews, train: train.csv, validation: validation.csv, test: test.csv}"
        spots = (
            "spots: [{kind: withheld, name: endings, words: [ending]}, "
            "{kind: shifted, name: others, source: {use: files, train: reviews/test.csv, validation: reviews/test.csv, "
            "test: more.csv}, test: 2}]"
        )
        shutil.copy(home.parent / "reviews" / "train.csv", home.parent / "more.csv")
        text = home.read_text(encoding="utf-8")
        written = "{use: files, folder: reviews, train: train.csv, validation: validation.csv, test: test.csv}"
        assert written in text
        home.write_text(text.replace(written, f"{{use: planted, {inner}, {spots}}}"), encoding="utf-8")
    suite = harness.load_suite(home)
    stages = make_plan(suite).stages()
    sent, here, there = tmp_path / "sent.pickle", tmp_path / "here", tmp_path / "there"
    with pytest.raises(harness.suite.SuiteError) as raised:
        harness.load_suite(home, overrides=["seeds=[-1]"])
    sent.write_bytes(pickle.dumps((stages, raised.value)))
    for folder in (here, there):
        folder.mkdir()
    ids = [stage.id for stage in stages]
    answer = json.loads(python(WORKER, sent, there, cwd=elsewhere))
    assert answer["ids"] == ids
    assert answer["error"] == str(raised.value)
    from harness.stages.base import Context, Inputs
    from harness.stages.load import Load

    (load,) = (stage for stage in stages if isinstance(stage, Load))
    load.compute(Inputs({}.get), Context(here)).write(here)
    assert contents(here) == contents(there)
    assert contents(here)


@pytest.mark.slow
def test_a_suite_computed_in_another_process_is_computed(home: Path, elsewhere: Path, tmp_path: Path) -> None:
    suite = harness.load_suite(home).restrict(arms=["only", "wldv"])
    sent = tmp_path / "suite.pickle"
    sent.write_bytes(pickle.dumps(suite))
    run = harness.run(suite, output=tmp_path / "runs", store=tmp_path / "store")
    assert not run.failures
    assert python(RUN, sent, tmp_path / "store", cwd=elsewhere).split() == ["0", "2", "0"]
    fresh = python(RUN, sent, tmp_path / "fresh", cwd=elsewhere).split()
    assert fresh == [str(run.computed), "2", "0"]
    for kind in ("load", "fine-tune", "value", "predict"):
        ours, theirs = (sorted((tmp_path / store / "artifacts" / kind).iterdir()) for store in ("store", "fresh"))
        assert [folder.name for folder in ours] == [folder.name for folder in theirs]
        assert ours
        assert [contents(folder) for folder in ours] == [contents(folder) for folder in theirs]


def test_the_suite_of_a_run_can_be_run_again_from_anywhere(
    home: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = harness.run(harness.load_suite(home).restrict(arms=["wldv"]), output="runs", store=tmp_path / "store")
    assert first.computed
    assert not first.failures
    kept = (elsewhere / "runs/tiny/suite.yaml").rename(tmp_path / "kept.yaml")
    another = tmp_path / "another"
    another.mkdir()
    monkeypatch.chdir(another)
    again = harness.run(harness.load_suite(kept), output="runs", store=tmp_path / "store")
    assert again.computed == 0
    assert not again.failures
    assert (another / "runs/tiny/suite.yaml").read_bytes() == kept.read_bytes()
    assert harness.load_suite(kept) == harness.load_suite(home).restrict(arms=["wldv"])


def test_records_are_checked_against_their_suite_from_anywhere(
    home: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.cli import main

    run = harness.run(
        harness.load_suite(home).restrict(arms=["only"]), output=tmp_path / "runs", store=tmp_path / "store"
    )
    assert not run.failures
    arguments = ["leaderboard", "check", str(tmp_path / "runs"), "--suite", str(home)]
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    with pytest.raises(SystemExit) as exited:
        main()
    said = capsys.readouterr()
    assert not exited.value.code, said.out + said.err


def test_a_python_component_starts_at_the_current_folder(
    home: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"folder": "reviews", "train": "train.csv", "validation": "validation.csv", "test": "test.csv"}
    monkeypatch.chdir(home.parent)
    reviews = harness.component("dataset", "files", **options)
    monkeypatch.chdir(elsewhere)
    assert len(pickle.loads(pickle.dumps(reviews)).load(seed=0).train) == 80
    assert reviews == harness.component("dataset", "files", **options)
    assert "reviews" not in json.dumps(reviews.identity())
    assert set(reviews.model_dump()) == set(type(reviews).model_fields)
    with pytest.raises(harness.errors.DataError, match="There is no data file"):
        harness.component("dataset", "files", **options).load(seed=0)
