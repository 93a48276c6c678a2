"""The documentation says what is true: links lead somewhere, commands are the ones that CI runs, names exist."""

from __future__ import annotations

import re
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
