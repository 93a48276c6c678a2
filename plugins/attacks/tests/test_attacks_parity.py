"""Our DeepWordBug against TextAttack's, example by example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness import Example, load_classifier

SEED = 1000


@pytest.fixture(scope="session")
def jobs(
    make_model: Callable[..., Path], review_model: Path, snippets: list[Example], pairs: list[Example]
) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By name: what TextAttack is to do, and the options under which ours has to do the same."""
    pair_model = make_model(pairs[100:500])
    three = [
        Example(example.text, 2 if "film" in example.text else example.label) for example in snippets
    ]  # negative, positive, mentions "film"
    three_model = make_model(three[100:500])
    odd = [
        Example("", 0),
        Example("a", 1),
        Example("the of and", 0),
        Example("Great 😀👩‍👩‍👧 fılm, café naïve cafe\u0301 résumé", 1),
        Example("فيلم رائع جدا but dull", 1),
        Example("well-made 'quoted' rock-'n'-roll @home *starred* __init__ don't", 1),
        Example("dull\x00 boring\tmess\n\nof a   movie .", 0),
        Example("really really really bad bad bad movie movie", 0),
        Example("word " * 60 + "terrible", 0),
    ]
    recipe = {"recipe": "DeepWordBugGao2018", "seed": SEED}
    return {
        "texts": ({**recipe, "model": review_model, "examples": snippets[:50]}, {}),
        "pairs": ({**recipe, "model": pair_model, "examples": pairs[:40]}, {}),
        "three classes": ({**recipe, "model": three_model, "examples": three[:30]}, {}),
        "odd": (
            {**recipe, "model": review_model, "examples": [*odd, *(Example(e.text, 1 - e.label) for e in odd)]},
            {},
        ),
        "query budget": (
            {**recipe, "model": review_model, "examples": snippets[:12], "max_queries": 25},
            {"max_queries": 25},
        ),
        "substitution": (
            {**recipe, "model": review_model, "examples": snippets[50:62], "build": {"use_all_transformations": False}},
            {"edits": ["substitute"]},
        ),
        "second text": (
            {**recipe, "model": pair_model, "examples": pairs[40:52], "ignored_column": "a"},
            {"columns": "second"},
        ),
    }


@pytest.fixture(scope="session")
def answers(jobs: dict[str, Any], stock: Callable[..., Any]) -> dict[str, Any]:
    return dict(zip(jobs, stock([dict(job) for job, _ in jobs.values()]), strict=True))


@pytest.mark.parametrize(
    "name", ["texts", "pairs", "three classes", "odd", "query budget", "substitution", "second text"]
)
def test_deepwordbug_gives_textattacks_results(name: str, jobs: dict[str, Any], answers: dict[str, Any]) -> None:
    job, options = jobs[name]
    victim = load_classifier(job["model"], device="cpu")
    attack = harness.component("attack", "deepwordbug", **options)
    ours = list(attack.attack(victim, job["examples"], seed=SEED))
    theirs = answers[name]
    assert len(ours) == len(theirs)
    for i, (mine, stock) in enumerate(zip(ours, theirs, strict=True)):
        perturbed = stock["perturbed"] if isinstance(stock["perturbed"], str) else tuple(stock["perturbed"])
        assert (i, mine.status.value, mine.perturbed, mine.queries) == (i, stock["status"], perturbed, stock["queries"])
        np.testing.assert_allclose(mine.perturbed_probs, stock["probs"], atol=1e-4)


def test_the_comparison_covers_what_it_should(jobs: dict[str, Any], answers: dict[str, Any]) -> None:
    """At least 100 examples, each outcome among them."""
    assert sum(len(found) for name, found in answers.items() if name in {"texts", "pairs", "three classes"}) >= 100
    for name in ("texts", "pairs", "three classes"):
        assert {found["status"] for found in answers[name]} >= {"succeeded", "skipped"}, name
    everything = [found["status"] for found_by_name in answers.values() for found in found_by_name]
    assert {"succeeded", "failed", "skipped"} <= set(everything)


def test_stop_words_are_nltks(stock_environment: dict[str, str]) -> None:
    from harness_attacks.stopwords import ENGLISH

    file = Path(stock_environment["NLTK_DATA"]) / "corpora" / "stopwords" / "english"
    assert frozenset(file.read_text().split()) == ENGLISH
