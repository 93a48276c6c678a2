"""The documentation says what is true: links lead somewhere, commands are the ones that CI runs, names exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.observers.hooks import Hooks
from harness.registry import Registry

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md"), *ROOT.glob("*/README.md")]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_the_page_on_the_architecture_names_what_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:harness|plugins|tests)/[\w/.]*)`", text))
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
    packages = {f"harness/{path.parent.name}/" for path in ROOT.glob("harness/*/__init__.py")}
    assert sorted(packages - named) == []
    drawn = set(re.findall(r"\b(harness\.\w+)", re.findall(r"```mermaid.*?```", text, flags=re.DOTALL)[0]))
    modules = {name.removesuffix("/").replace("/", ".") for name in packages} | {"harness.registry"}
    assert sorted(drawn - modules) == []


def test_ci_runs_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = re.findall(r"^(?:first|second)='(.*)'$", script, flags=re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert command in readme


def test_every_component_is_documented() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [entry.key for entry in Registry(allow=()).entries() if f"`{entry.name}`" not in text]
    assert not missing


def test_every_hook_has_a_docstring() -> None:
    for name, hook in vars(Hooks).items():
        if not name.startswith("_"):
            assert hook.__doc__, name


GIVEN = """
import numpy as np
import harness
rng = np.random.default_rng(0)
x_train, x_valid = rng.normal(size=(40, 4)), rng.normal(size=(20, 4))
y_train, y_valid = (x_train[:, 0] > 0).astype(int), (x_valid[:, 0] > 0).astype(int)
examples = [harness.Example(f"{word} film {i}", int(word == "fine")) for i in range(8) for word in ("fine", "dull")]
texts = [example.text for example in examples]
from harness.testing.records import PretendArm, pretend_outcome
outcome = pretend_outcome(PretendArm("only"), size=40)
"""
"""What the reader of a page has already: arrays and examples."""

FRAGMENTS = ("class MyMethod", "def my_engine")
"""Blocks that are part of a file whose rest the page describes."""

SHORTER = {
    '("suites/quickstart.yaml"))': '("suites/quickstart.yaml").restrict(limit=24, arms=["only"]))',
    'harness.load_classifier("folder-or-hub-name")': (
        'harness.component("model", "linear").fine_tune(examples, num_labels=2, seed=0)'
    ),
}
"""What would take minutes or a network, and what stands for it here."""


def blocks() -> list:
    found = []
    for page in PAGES:
        texts = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for number, text in enumerate(texts, start=1):
            if not text.startswith(FRAGMENTS):
                found.append(pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks())
def test_python_of_the_documentation_runs_in_a_fresh_interpreter(block: str, tmp_path: Path) -> None:
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    (tmp_path / "runs").mkdir()
    for run, results in (("quickstart", "quickstart"), ("thesis", "thesis-small")):
        (tmp_path / "runs" / run).symlink_to(ROOT / "leaderboard" / "results" / results)
    for long, short in SHORTER.items():
        block = block.replace(long, short)
    if "harness.run(" in block:
        (tmp_path / "runs" / "quickstart").unlink()
    program = tmp_path / "block.py"
    # The block comes after the imports of its own: what it needs of `harness` must be what it imports.
    program.write_text(f"{GIVEN}\n{block}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["progress", "errors", "testing", "hooks", "component"])
def test_one_import_is_enough(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import harness; harness.{name}"], capture_output=True, check=False)
    assert done.returncode == 0
