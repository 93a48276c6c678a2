"""The linear model: its contract, its weights, its terms, and a suite whose every arm it trains."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import harness
from harness.components.example import Example
from harness.errors import DataError, InputError
from harness.models.linear import LinearModel
from harness.models.terms import Terms
from harness.suite import SuiteError
from harness.testing import ModelContract, reviews


class TestLinear(ModelContract):
    name = "linear"


class TestHashing(ModelContract):
    name = "linear"
    options: ClassVar = {"features": "hashing", "buckets": 512}


def test_terms_of_words_and_of_characters_inside_of_them():
    assert Terms((1, 2), (3, 3))("No, no") == [
        *("no", ",", "no", "no ,", ", no"),
        *("#<no", "#no>", "#<,>", "#<no", "#no>"),
    ]
    assert Terms((1, 1), None)(("a b", "b c")) == ["1 a", "1 b", "2 b", "2 c", "both b"]


def test_a_weight_is_a_number_of_copies():
    """Hashing, of which no term's weight depends on how many examples there are: 3 copies are weight 3, none is weight 0."""
    train, texts = reviews(20), [example.texts for example in reviews(8, seed=1)]
    weights = np.asarray([3.0, 0.0, *[1.0] * 18])
    copies = [train[0]] * 3 + train[2:]
    model = LinearModel(features="hashing")
    weighted = model.fine_tune(train, num_labels=2, seed=0, weights=weights).predict_proba(texts)
    copied = model.fine_tune(copies, num_labels=2, seed=0).predict_proba(texts)
    assert np.allclose(weighted, copied, atol=1e-5)
    assert not np.allclose(weighted, model.fine_tune(train, num_labels=2, seed=0).predict_proba(texts), atol=1e-3)


def test_rows_do_not_depend_on_their_batch(tmp_path: Path):
    texts = ["", "a dull film", "superb superb, moving", "x" * 5000, *(e.text for e in reviews(20, seed=2))]
    made = LinearModel().fine_tune(reviews(30), num_labels=2, seed=0)
    made.save(tmp_path / "kept")
    again = LinearModel().load(tmp_path / "kept")
    whole = made.predict_proba(texts)
    assert made.batch_invariant
    assert all(np.array_equal(again.predict_proba([text])[0], row) for text, row in zip(texts, whole, strict=True))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["linear.json", "linear.safetensors"]
    assert np.array_equal(made.embed(texts), again.embed(texts))


def test_classes_without_an_example_are_never_predicted():
    train = [Example("good film", 0), Example("bad film", 2), Example("good", 0), Example("bad", 2)]
    probs = LinearModel().fine_tune(train, num_labels=4, seed=0).predict_proba(["good", "bad", "else"])
    assert probs.argmax(axis=1).tolist()[:2] == [0, 2]
    assert not probs[:, [1, 3]].any()
    weights = np.asarray([1.0, 1.0, 1.0, 1.0, 0.0])
    weighted = LinearModel().fine_tune([*train, Example("odd", 1)], num_labels=4, seed=0, weights=weights)
    assert not weighted.predict_proba(["odd"])[:, 1].any()


def test_what_cannot_be_learned_is_refused(tmp_path: Path):
    model = LinearModel()
    with pytest.raises(DataError, match="No term"):
        model.fine_tune([Example("", 0), Example(" ", 1)], num_labels=2, seed=0)
    with pytest.raises(DataError, match="weight above 0"):
        model.fine_tune([Example("a", 0), Example("b", 1)], num_labels=2, seed=0, weights=np.asarray([1.0, 0.0]))
    with pytest.raises(InputError, match="nothing to classify by"):
        harness.component("model", "linear", words=None, characters=None)
    with pytest.raises(InputError, match="the shortest and the longest"):
        harness.component("model", "linear", words=[2, 1])
    with pytest.raises(InputError, match="holds no linear classifier"):
        model.load(tmp_path)


@pytest.mark.slow
def test_a_suite_of_it(run_tiny, tmp_path):
    """Valued, attacked, weighted and fine-tuned again like any model, beside a function that is given; and no base itself."""
    (tmp_path / "serve.py").write_text("def half(texts):\n    return [[0.5, 0.5]] * len(texts)\n", encoding="utf-8")
    models = (
        "  linear: linear\n  half: {use: python, source: ./serve.py:half}\n  bert: {use: linear, characters: null}\n#"
    )
    changes = [("  bert: {use: transformers, ", models), ("test.csv}", "test.csv, model: bert}")]
    run = run_tiny(*changes, ("  only: {}", "  only: {}\n  half: {given: half}"), arms=("only", "half", "bliss+wldv"))
    assert not run.failures
    scores = {record.header.arm: record.header.scores for record in run.records}
    assert set(scores) == {"only", "half", "bliss+wldv"}
    assert scores["only"]["accuracy/clean"].value > 0.8
    assert scores["only"]["accuracy/attacked"].value < scores["only"]["accuracy/clean"].value
    with pytest.raises(SuiteError, match=r"'linear' \(linear\) is no classifier before it is fine-tuned"):
        run_tiny(*changes, ("  only: {}", "  only: {}\n  half: {given: linear}"))
