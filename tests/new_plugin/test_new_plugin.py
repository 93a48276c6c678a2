"""Plugin packages written by `harness new-plugin`, and the example package: installed for real, held to the contract."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.components.base import KINDS
from harness.errors import InputError
from harness.new_plugin import new_plugin

ROOT = Path(__file__).parents[2]

SUITE = """
name: mine
models: {m: my-model}
datasets: {d: my-dataset}
valuators: {v: my-valuator}
selectors: {s: my-selector}
attack: my-attack
generators: {g: my-generator}
arms: {only: {}, both: {select: s, generate: g, weights: v}}
metrics: [my-metric, uu]
"""
"""A suite of nothing but new plugins (and the metric that ranks)."""


def install(folder: Path, target: Path) -> None:
    """Install a package into a folder of its own, as pip would, without a network."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", target, folder],
        check=True,
        capture_output=True,
        text=True,
    )


def python(target: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, cwd=target, check=False
    )


@pytest.mark.slow
def test_every_kind_passes_its_contract(tmp_path: Path) -> None:
    target = tmp_path / "site"
    folders = [new_plugin(kind, f"my-{kind}", tmp_path) for kind in KINDS]
    for folder in folders:
        install(folder, target)
    tests = [folder / "tests" for folder in folders]
    done = python(target, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = python(target, "-m", "harness", "plugins", "my-valuator")
    assert "harness-my-valuator 0.1.0" in listed.stdout
    assert "power" in listed.stdout
    suite = tmp_path / "mine.yaml"
    suite.write_text(SUITE, encoding="utf-8")
    done = python(target, "-m", "harness", "run", suite, "--output", tmp_path / "runs", "--store", tmp_path / "store")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "runs" / "mine" / "records" / "d" / "both" / "seed-0" / "record.json").exists()


def test_the_example_package(tmp_path: Path) -> None:
    target = tmp_path / "site"
    install(ROOT / "examples" / "acme-margin", target)
    tests = ROOT / "examples" / "acme-margin" / "tests"
    done = python(target, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", tests)
    assert done.returncode == 0, done.stdout + done.stderr
    suite = ROOT / "suites" / "valuators.yaml"
    valid = python(target, "-m", "harness", "validate", suite, "--set", "valuators.mine=margin")
    assert valid.returncode == 0, valid.stderr
    off = python(target, "-m", "harness", "--no-plugins", "validate", suite, "--set", "valuators.mine=margin")
    assert off.returncode == 2
    assert "margin" in off.stderr


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("valuater", "x", "Did you mean 'valuator'"),
        ("valuator", "My Method", "lower-case words joined by hyphens"),
        ("valuator", "class", "cannot be a component's name"),
        ("valuator", "dvrl", "bliss-harness-valuators provides a valuator 'dvrl' already"),
    ],
)
def test_names_that_cannot_be_used(tmp_path: Path, kind: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        new_plugin(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    new_plugin("metric", "mine", tmp_path)
    with pytest.raises(InputError, match="is there already"):
        new_plugin("metric", "mine", tmp_path)
