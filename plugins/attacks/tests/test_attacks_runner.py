"""The loop under the attacks: order, laziness, batching, limits, bad input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_attacks import runner, sight

import harness
from harness import Example, load_classifier
from harness.components import AttackStatus, Classifier, Encoding
from harness.errors import DataError, HarnessError
from harness.progress import reporting

KINDS = ("none", "deepwordbug", "char-swap", "typos", "checklist")


class Spy(Classifier):
    """Passes calls on to a classifier and counts them."""

    def __init__(self, inner: Classifier) -> None:
        self.inner, self.num_labels = inner, inner.num_labels
        self.seen: list[Encoding] = []
        self.batches: list[int] = []

    def encode(self, texts: Sequence[Any]) -> list[Encoding]:
        return self.inner.encode(texts)

    def predict_encoded(self, encodings: Sequence[Encoding]) -> Any:
        self.seen += encodings
        self.batches.append(len(encodings))
        return self.inner.predict_encoded(encodings)

    def embed(self, texts: Sequence[Any]) -> Any:
        return self.inner.embed(texts)

    def save(self, folder: Path) -> None:
        self.inner.save(folder)


def summary(results: Any) -> list[tuple[Any, ...]]:
    return [(r.original, r.perturbed, r.label, r.status, r.queries, r.note) for r in results]


def test_results_do_not_depend_on_batching_nor_on_the_other_examples(
    simple: Classifier, simple_reviews: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = simple_reviews[:10]
    together = summary(harness.component("attack", "deepwordbug").attack(simple, examples, seed=3))
    narrow = summary(harness.component("attack", "deepwordbug", in_flight=1).attack(simple, examples, seed=3))
    alone = [
        summary(harness.component("attack", "deepwordbug").attack(simple, [e], seed=3 + i))[0]
        for i, e in enumerate(examples)
    ]
    monkeypatch.setattr(runner, "ROUND_TOKENS", 100)
    small = summary(harness.component("attack", "deepwordbug").attack(simple, examples, seed=3))
    assert together == narrow == alone == small
    assert [row[0] for row in together] == [example.text for example in examples]


def test_each_token_sequence_is_computed_once_within_an_example(
    simple: Classifier, simple_reviews: list[Example]
) -> None:
    spy = Spy(simple)
    for example in simple_reviews[:6]:
        spy.seen.clear()
        (result,) = harness.component("attack", "deepwordbug").attack(spy, [example], seed=0)
        assert len(spy.seen) == len(set(spy.seen)) <= result.queries


def test_queries_of_many_examples_share_batches(simple: Classifier, simple_reviews: list[Example]) -> None:
    alone, merged = Spy(simple), Spy(simple)
    list(harness.component("attack", "deepwordbug", in_flight=1).attack(alone, simple_reviews[:12], seed=0))
    list(harness.component("attack", "deepwordbug").attack(merged, simple_reviews[:12], seed=0))
    assert sorted(alone.seen) == sorted(merged.seen)
    assert len(merged.batches) < len(alone.batches) / 2


class Lazy(Sequence[Example]):
    def __init__(self, examples: list[Example]) -> None:
        self.examples, self.taken = examples, 0

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: Any) -> Any:
        self.taken = max(self.taken, index + 1)
        return self.examples[index]


def test_a_consumer_that_stops_early_leaves_most_examples_untouched(
    simple: Classifier, simple_reviews: list[Example]
) -> None:
    lazy = Lazy(simple_reviews)
    first = summary(islice(harness.component("attack", "deepwordbug").attack(simple, lazy, seed=3), 5))
    assert lazy.taken <= 20
    assert first == summary(harness.component("attack", "deepwordbug").attack(simple, simple_reviews[:5], seed=3))


def test_query_limit_is_kept_and_noted(simple: Classifier, simple_reviews: list[Example]) -> None:
    results = list(
        harness.component("attack", "deepwordbug", max_queries=20).attack(simple, simple_reviews[:12], seed=0)
    )
    assert max(result.queries for result in results) == 20
    assert {r.note for r in results if r.status is AttackStatus.FAILED and r.queries == 20} == {"query limit"}
    assert {r.note for r in results if r.status is not AttackStatus.FAILED} == {""}


def test_time_limit_returns_the_best_attempt_so_far(simple: Classifier, simple_reviews: list[Example]) -> None:
    results = list(
        harness.component("attack", "deepwordbug", time_limit=1e-6).attack(simple, simple_reviews[:6], seed=0)
    )
    attacked = [result for result in results if result.status is not AttackStatus.SKIPPED]
    assert {result.note for result in attacked} == {"time limit"}
    assert [result.perturbed for result in attacked] == [result.original for result in attacked]


ODD = {
    "empty": "",
    "one character": "x",
    "emoji and combining marks": "😀 👩‍👩‍👧 e\u0301te\u0301 🇳🇱",
    "right to left": "هذا الفيلم رائع \u200fשלום\u200f",
    "only stop words": "the of and to in a is",
    "NUL bytes": "great\x00film \x00\x00",
    "white space": " \t\n\u2003\u200b ",
    "marks": "--- *** @@ '' __ ```",
    "Chinese": "这部电影非常好看 great",
    "TextAttack's separator": "one <SPLIT> two I SPLIT it",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_texts_are_attacked_like_any_other(kind: str, odd: str, simple: Classifier) -> None:
    label = int(simple.predict_proba([odd])[0].argmax())
    examples = [Example(odd, label), Example(odd, label, "and a fine second text"), Example(odd, 1 - label)]
    pair_label = int(simple.predict_proba([examples[1].texts])[0].argmax())
    examples[1] = Example(odd, pair_label, "and a fine second text")
    single, pair, wrong = harness.component("attack", kind).attack(simple, examples, seed=0)
    assert single.status is not AttackStatus.SKIPPED
    assert isinstance(pair.perturbed, tuple)
    assert (wrong.status, wrong.perturbed, wrong.queries) == (AttackStatus.SKIPPED, odd, 1)
    for result in (single, pair):
        again = simple.predict_proba([result.perturbed])[0]
        np.testing.assert_allclose(again, result.perturbed_probs, atol=1e-5)
        assert (result.status is AttackStatus.SUCCEEDED) == (int(again.argmax()) != result.label)


@pytest.mark.parametrize(
    "text",
    ["a dreadful film with nothing to say " * 2800, "x" * 100_000, "dull" + " " * 99_000 + "film"],
)
def test_a_hundred_thousand_characters(text: str, victim: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    label = int(victim.predict_proba([text])[0].argmax())
    attack = harness.component("attack", "deepwordbug", max_queries=30)
    results = summary(attack.attack(victim, [Example(text, label)], seed=0))
    assert results[0][4] <= 30
    monkeypatch.setattr(sight, "LONG", 1_000_000)  # tokenise everything whole
    assert summary(attack.attack(victim, [Example(text, label)], seed=0)) == results


def test_only_the_start_of_a_long_text_is_tokenised(victim: Classifier, snippets: list[Example]) -> None:
    class Counting(Spy):
        characters = 0

        def encode(self, texts: Sequence[Any]) -> list[Encoding]:
            self.characters += sum(map(len, texts))
            return super().encode(texts)

    text = " ".join(example.text for example in snippets[:300])
    spy = Counting(victim)
    label = int(victim.predict_proba([text])[0].argmax())
    list(harness.component("attack", "deepwordbug", max_queries=40).attack(spy, [Example(text, label)], seed=0))
    assert spy.characters < 8 * len(text)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (Example("fine", 2), r"label 2 is out of range for a classifier with 2 classes \(0..1\)"),
        (Example("fine", -1), "label -1 is out of range"),
        (Example("fine", 0.5), "must be an integer"),  # type: ignore[arg-type]
        (Example(None, 0), "must be a string, not NoneType"),  # type: ignore[arg-type]
        (Example("fine \ud800 text", 0), r"lone surrogate \(U\+D800\) at position 5"),
    ],
)
def test_examples_that_cannot_be_attacked_are_named_on_their_turn(
    example: Example, message: str, simple: Classifier, simple_reviews: list[Example]
) -> None:
    results = harness.component("attack", "deepwordbug").attack(simple, [simple_reviews[0], example], seed=0)
    assert next(results).original == simple_reviews[0].text
    with pytest.raises(DataError, match=f"Example 1: .*{message}"):
        next(results)


def test_labels_may_be_numpys(simple: Classifier, simple_reviews: list[Example]) -> None:
    example = simple_reviews[0]
    other = Example(example.text, np.int64(example.label))  # type: ignore[arg-type]
    attack = harness.component("attack", "deepwordbug")
    assert summary(attack.attack(simple, [other], seed=0)) == summary(attack.attack(simple, [example], seed=0))


def test_a_classifier_that_returns_nan_is_reported(simple: Classifier, simple_reviews: list[Example]) -> None:
    class Broken(Spy):
        def predict_encoded(self, encodings: Sequence[Encoding]) -> Any:
            probs = super().predict_encoded(encodings)
            return np.where(np.arange(len(probs))[:, None] == len(probs) - 1, np.nan, probs)

    with pytest.raises(HarnessError, match=r"Example \d .*the classifier returned \[nan, nan\]"):
        list(harness.component("attack", "deepwordbug").attack(Broken(simple), simple_reviews[:3], seed=0))


def test_progress_counts_examples_and_queries(simple: Classifier, simple_reviews: list[Example]) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.notes: list[dict[str, Any]] = []

        def open(self, unit: str, total: float | None) -> Any:
            assert (unit, total) == ("examples", 4)
            return self

        def close(self, bar: Any) -> None:
            self.notes.append({"closed": True})

        def advance(self, amount: float = 1, **notes: Any) -> None:
            self.notes.append(notes)

    recorder = Recorder()
    with reporting(recorder):
        results = list(harness.component("attack", "deepwordbug").attack(simple, simple_reviews[:4], seed=0))
    *steps, closed = recorder.notes
    assert closed == {"closed": True}
    assert [step["queries"] for step in steps] == list(np.cumsum([result.queries for result in results]))
    assert all(step["queries_per_second"] > 0 for step in steps)
    assert all(before["queries"] <= after["queries"] for before, after in pairwise(steps))


def test_onnx_gives_the_same_attacks_as_torch(review_model: Path, victim: Classifier, snippets: list[Example]) -> None:
    pytest.importorskip("onnxruntime")
    onnx = load_classifier(review_model, backend="onnx", device="cpu")
    attack = harness.component("attack", "deepwordbug")
    assert summary(attack.attack(onnx, snippets[:10], seed=0)) == summary(attack.attack(victim, snippets[:10], seed=0))
