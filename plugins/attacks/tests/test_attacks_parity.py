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

ODD = (
    "",
    "a",
    "the of and",
    "Great 😀👩‍👩‍👧 fılm, café naïve cafe\u0301 résumé",
    "فيلم رائع جدا but dull",
    "well-made 'quoted' rock-'n'-roll @home *starred* __init__ don't",
    "dull\x00 boring\tmess\n\nof a   movie .",
    "really really really bad bad bad movie movie",
    "word " * 40 + "terrible",
    "这部电影 great 好看 film",
)


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
    recipe = {"recipe": "DeepWordBugGao2018", "seed": SEED}
    return {
        "texts": ({**recipe, "model": review_model, "examples": snippets[:50]}, {}),
        "pairs": ({**recipe, "model": pair_model, "examples": pairs[:40]}, {}),
        "three classes": ({**recipe, "model": three_model, "examples": three[:30]}, {}),
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


def compare(job: dict[str, Any], options: dict[str, Any], theirs: list[dict[str, Any]]) -> None:
    victim = load_classifier(job["model"], device="cpu")
    ours = list(harness.component("attack", "deepwordbug", **options).attack(victim, job["examples"], seed=SEED))
    assert len(ours) == len(theirs) == len(job["examples"])
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        perturbed = other["perturbed"] if isinstance(other["perturbed"], str) else tuple(other["perturbed"])
        assert (i, mine.status.value, mine.perturbed, mine.queries) == (i, other["status"], perturbed, other["queries"])
        np.testing.assert_allclose(mine.perturbed_probs, other["probs"], atol=1e-4)


@pytest.mark.slow
def test_a_few_texts_and_pairs_give_textattacks_results(
    review_model: Path, snippets: list[Example], stock: Callable[..., Any]
) -> None:
    recipe = {"recipe": "DeepWordBugGao2018", "seed": SEED, "model": review_model}
    odd = [Example(text, label) for text in ODD for label in (0, 1)]
    pairs = [Example(a.text, b.label, b.text) for a, b in zip(snippets[:5], snippets[5:10], strict=True)]
    jobs = [{**recipe, "examples": examples} for examples in (snippets[:10], odd, pairs)]
    for job, theirs in zip(jobs, stock([dict(job) for job in jobs]), strict=True):
        compare(job, {}, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["texts", "pairs", "three classes", "query budget", "substitution", "second text"])
def test_deepwordbug_gives_textattacks_results(name: str, jobs: dict[str, Any], answers: dict[str, Any]) -> None:
    compare(*jobs[name], answers[name])


@pytest.mark.slow
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
