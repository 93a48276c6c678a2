"""The valuator in docs/plugins.md that looks at a fine-tuning."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from harness.registry import component
from harness.testing import ValuatorContract

TEXT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
(CODE,) = (block for block in re.findall(r"```python\n(.*?)```", TEXT, re.S) if "class MyTracIn" in block)


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    return component("valuator", f"{tmp_path}/mine.py:MyTracIn")


def test_a_whole_method_is_at_most_thirty_lines():
    assert len(CODE.strip().splitlines()) <= 30


def test_it_is_tracin_but_for_the_bias_and_the_learning_rates(mine):
    problem = ValuatorContract().problem()
    values, theirs = (method.value(problem, seed=0) for method in (mine, component("valuator", "tracin")))
    assert np.corrcoef(values, theirs)[0, 1] > 0.95
    assert values[:30].mean() < values[30:].mean()  # the mislabelled ones


def test_a_suite_runs_it(mine, run_tiny, tmp_path):
    where = f"{tmp_path}/mine.py:MyTracIn"
    run = run_tiny(("  dvrl: {use: dvrl, iterations: 20}", f"  dvrl: {where}"), arms=("only", "wldv"))
    assert [record.header.arm for record in run.records] == ["only", "wldv"]
