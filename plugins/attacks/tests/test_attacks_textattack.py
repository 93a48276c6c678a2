"""TextAttack's recipes through our runner, against the library on its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness_attacks import vectors

import harness
from harness import Example
from harness.errors import ComponentError, InputError

OFFLINE = ("DeepWordBugGao2018", "Pruthi2019", "InputReductionFeng2018", "PWWSRen2019")
WITH_PARTS = ("TextFoolerJin2019", "TextBuggerLi2018", "BAEGarg2019", "CheckList2020")
"""Need a download. Here a part that packages carry stands in for it, on both sides."""

PAIRS = "DeepWordBugGao2018, second text of pairs"
ODD = "DeepWordBugGao2018, odd texts"
ODD_TEXTS = (
    "",
    "a",
    "the of and",
    "😀 e\u0301te\u0301 dull",
    "فيلم رائع",
    "great\x00film \x00",
    "--- *** @@",
    "dull " * 200,
)


@pytest.fixture(scope="module")
def found(
    stock: Callable[..., Any],
    full_environment: dict[str, str],
    review_model: Path,
    snippets: list[Example],
    make_model: Callable[..., Path],
    pairs: list[Example],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[list[Any], list[Any]]]:
    """By recipe: what the library's own Attacker gives, and what our runner gives."""
    table = vectors.load("embedded")
    file = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    rows = range(0, len(table), 4)
    file.write_text("".join(f"{table.words[i]} {' '.join(map(str, table.matrix[i]))}\n" for i in rows))
    named = [Example(f"John from Boston isn't sure: {example.text}", example.label) for example in snippets[:8]]
    # With a quarter of the vectors TextFooler seldom succeeds; among these it does.
    few = {"CheckList2020": named, "TextFoolerJin2019": snippets[50:58]}
    jobs: dict[str, dict[str, Any]] = {
        PAIRS: {"recipe": OFFLINE[0], "model": make_model(pairs[100:500]), "examples": pairs[18:23]},
        ODD: {
            "recipe": OFFLINE[0],
            "model": review_model,
            "examples": [Example(text, label) for text in ODD_TEXTS for label in (0, 1)],
        },
        **{recipe: {"recipe": recipe, "model": review_model, "examples": snippets[:8]} for recipe in OFFLINE},
        **{
            recipe: {
                "recipe": recipe,
                "model": review_model,
                "examples": few.get(recipe, snippets[:8]),
                "vectors": str(file),
            }
            for recipe in WITH_PARTS
        },
    }
    both = []
    for name, job in jobs.items():
        options = {"columns": "second"} if name == PAIRS else {"in_flight": 5}
        both.append({**job, "seed": 7, **({"ignored_column": "a"} if name == PAIRS else {})})
        both.append({**job, "seed": 7, "wrapped": True, "options": options})
    answers = stock(both, full_environment)
    return {name: (answers[2 * i], answers[2 * i + 1]) for i, name in enumerate(jobs)}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [PAIRS, ODD, *OFFLINE, *WITH_PARTS])
def test_results_are_the_librarys_own(recipe: str, found: dict[str, tuple[list[Any], list[Any]]]) -> None:
    alone, merged = found[recipe]
    assert not isinstance(merged, str), merged
    assert len(alone) == len(merged)
    assert {own["status"] for own in alone} >= {"maximized" if "InputReduction" in recipe else "succeeded"}
    for own, ours in zip(alone, merged, strict=True):
        if own["status"] == "maximized":  # keeps the prediction and drops words: never a success in our sense
            own["status"] = "failed"
        assert ours["probs"] == pytest.approx(own["probs"], abs=1e-4)
        assert {**ours, "probs": 0} == {**own, "probs": 0}


MISSING = {
    "PWWSRen2019": ("NLTK's data 'wordnet' is missing", "python -m nltk.downloader wordnet"),
    "BAEGarg2019": (
        "the model 'bert-base-uncased' of the Hugging Face hub is missing",
        "hf download bert-base-uncased",
    ),
    "TextBuggerLi2018": ("the package of TextAttack lacks its file 'intentional_homoglyphs.txt'", "curl -fLo"),
    "TextFoolerJin2019": ("TextAttack's data 'word_embeddings/paragramcf' is missing", "download_from_s3"),
    "CheckList2020": ("flair's tagger 'ner' is missing", "SequenceTagger.load('ner')"),
}
"""Recipe, what it misses on a machine without the network, and the command that brings it."""


@pytest.mark.slow
def test_missing_data_is_named_with_the_command_that_brings_it(
    stock: Callable[..., Any], stock_environment: dict[str, str], review_model: Path, snippets: list[Example]
) -> None:
    offline = {**stock_environment, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    jobs = [
        {"recipe": recipe, "seed": 7, "model": review_model, "examples": snippets[:2], "wrapped": True}
        for recipe in MISSING
    ]
    # TextAttack cannot read a text that contains the mark with which it separates columns.
    broken = [Example("one <SPLIT> dull two", 0), Example("one <SPLIT> dull two", 1)]
    jobs.append({"recipe": OFFLINE[0], "seed": 7, "model": review_model, "examples": broken, "wrapped": True})
    messages = [*MISSING.values(), ("The recipe DeepWordBugGao2018 failed on 'one <SPLIT> dull two'",)]
    for said, expected in zip(stock(jobs, offline), messages, strict=True):
        assert isinstance(said, str)
        assert all(part in said for part in expected), said


def test_a_recipe_with_a_typo_is_refused_with_the_nearest_name() -> None:
    if importlib.util.find_spec("textattack") is None:
        pytest.skip("needs textattack")
    with pytest.raises(ComponentError, match="DeepWordBugGao2018"):
        harness.component("attack", "textattack", recipe="DeepWordBug2018").preflight()


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'bliss-harness-attacks\[textattack\]'"):
        harness.component("attack", "textattack", recipe="PWWSRen2019").preflight()
