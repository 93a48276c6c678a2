"""Every piece of Python in the README and the documentation runs as it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import harness
from harness.testing import MetricContract, reviews

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
SNIPPETS = {page: re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL) for page in PAGES}


@pytest.fixture
def around(
    suite_file: Callable[..., Path], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A folder with what the snippets name, in small, and the variables that they use."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites").mkdir()
    suite_file(("name: tiny", "name: quickstart"), name="suites/quickstart.yaml")
    examples = reviews(16, seed=0)
    model = harness.component("model", "transformers", checkpoint=str(checkpoint), epochs=1)
    model.fine_tune(examples, num_labels=2, seed=0).save(tmp_path / "folder-or-hub-name")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 2
    return {
        "np": np,
        "ClassVar": ClassVar,
        "harness": harness,
        "Valuator": harness.Valuator,
        "ValuationProblem": harness.ValuationProblem,
        "x_train": x[:40],
        "y_train": y[:40],
        "x_valid": x[40:],
        "y_valid": y[40:],
        "examples": examples,
        "texts": [example.text for example in examples],
        "outcome": MetricContract().outcome(),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if SNIPPETS[page]], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_python_of_a_page_runs(page: Path, around: dict[str, Any], tmp_path: Path) -> None:
    if any("runs/" in snippet for snippet in SNIPPETS[page]):
        run = harness.run(harness.load_suite("suites/quickstart.yaml").restrict(arms=["only", "bliss"]))
        (tmp_path / "runs" / "thesis").symlink_to(run.folder.resolve())
    for snippet in SNIPPETS[page]:
        exec(compile(snippet, str(page), "exec"), around)
    if "MyMethod" in around:
        problem = harness.ValuationProblem(*(around[name] for name in ("x_train", "y_train", "x_valid", "y_valid")))
        assert around["MyMethod"]().value(problem, seed=0).shape == (40,)
