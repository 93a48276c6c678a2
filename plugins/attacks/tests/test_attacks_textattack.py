"""TextAttack's recipes through our runner, against the library on its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import Example
from harness.errors import ComponentError, InputError

OFFLINE = ["DeepWordBugGao2018", "Pruthi2019", "InputReductionFeng2018"]


@pytest.fixture(scope="module")
def found(
    stock: Callable[..., Any],
    review_model: Path,
    snippets: list[Example],
    make_model: Callable[..., Path],
    pairs: list[Example],
) -> list[Any]:
    jobs = []
    for recipe in OFFLINE:
        job = {"recipe": recipe, "seed": 7, "model": review_model, "examples": snippets[:8]}
        jobs += [job, {**job, "wrapped": True, "options": {"in_flight": 5}}]
    job = {
        "recipe": OFFLINE[0],
        "seed": 7,
        "model": make_model(pairs[100:200]),
        "examples": pairs[:6],
        "ignored_column": "b",
    }
    jobs += [job, {**job, "wrapped": True, "options": {"columns": "first"}}]
    jobs.append({"recipe": "PWWSRen2019", "seed": 7, "model": review_model, "examples": snippets[:2], "wrapped": True})
    return stock(jobs)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(OFFLINE) + 1))
def test_results_are_the_librarys_own(number: int, found: list[Any]) -> None:
    alone, merged = found[2 * number], found[2 * number + 1]
    assert len(alone) == len(merged)
    for own, ours in zip(alone, merged, strict=True):
        if own["status"] == "maximized":  # keeps the prediction and drops words: never a success in our sense
            own["status"] = "failed"
        assert ours["probs"] == pytest.approx(own["probs"], abs=1e-4)
        assert {**ours, "probs": 0} == {**own, "probs": 0}


@pytest.mark.slow
def test_missing_data_is_named(found: list[Any]) -> None:
    assert "wordnet" in found[-1]
    assert "python -m nltk.downloader" in found[-1]


def test_a_recipe_with_a_typo_is_refused_with_the_nearest_name() -> None:
    if importlib.util.find_spec("textattack") is None:
        pytest.skip("needs textattack")
    with pytest.raises(ComponentError, match="DeepWordBugGao2018"):
        harness.component("attack", "textattack", recipe="DeepWordBug2018").preflight()


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'bliss-harness-attacks\[textattack\]'"):
        harness.component("attack", "textattack", recipe="PWWSRen2019").preflight()
