"""The documentation as a site: it builds strictly and offline, holds every option, and its notebooks run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from harness.components.options import options
from harness.registry import Registry
from harness.suite import parse_suite

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
FETCHED = re.compile(r"""(?:<(?:script|img|iframe|source)\b[^>]*\bsrc|<link\b[^>]*\bhref)=["']?(?:https?:)?//""")


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_option_of_every_component_is_in_the_reference() -> None:
    registry, pages = Registry(allow=()), hook("reference").pages()
    for entry in registry.entries():
        part = re.search(rf"^## {entry.name}\n(.*?)(?=^## |\Z)", pages[f"reference/{entry.kind}.md"], re.M | re.S)
        assert part, entry.key
        rows = re.findall(r"^\| `(\w+)` \|", part[1], re.M)
        assert rows == list(registry.load(entry).model_fields), entry.key
        assert f"]({entry.kind}.md#{entry.name})" in pages["reference/index.md"]


def test_options_in_words() -> None:
    registry = Registry(allow=())
    linear = options(registry.load(registry.find("model", "linear")))
    assert linear["c"] == {**linear["c"], "type": "number", "range": "> 0", "default": 10.0, "required": False}
    assert linear["buckets"]["range"] == "≥ 2, ≤ 16,777,216"
    assert linear["words"]["type"] == "[integer, integer] or null"
    assert linear["features"]["type"] == '"tfidf" or "hashing"'
    transformers = options(registry.load(registry.find("model", "transformers")))
    assert transformers["checkpoint"]["required"]
    assert transformers["adapter"]["type"] == "mapping with rank, alpha, dropout, layers or null"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)


def test_the_suite_of_the_tutorial_is_valid() -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.S)
    arms = parse_suite(block).arms
    board = re.findall(r"^\| \d \| `(\w+)` \|", text, re.M)
    assert sorted(board) == sorted(arms)


@pytest.mark.slow
def test_the_site_builds_strictly_and_fetches_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "NOTEBOOKS": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert {"index.html", "tutorial.html", "reference/valuator.html", "notebooks/audit-my-classifier.html"} <= {
        page.relative_to(tmp_path).as_posix() for page in pages
    }
    for page in pages:
        assert not FETCHED.search(page.read_text(encoding="utf-8")), page
    assert "url(http" not in "".join(sheet.read_text(encoding="utf-8") for sheet in tmp_path.rglob("*.css"))
    assert "knn-shapley" in (tmp_path / "search" / "search_index.json").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own, about sockets and paths
def test_notebooks_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebooks = hook("notebooks")
    done = notebooks.executed(path)
    page = notebooks.page(done, path.name)
    assert page.startswith("# ")
    assert page.count('<div class="output"') == 2
    assert "\x1b" not in page
