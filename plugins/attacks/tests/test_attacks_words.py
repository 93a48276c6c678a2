"""Division into words, character edits, noise, invariances."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness_attacks.checklist import CheckList
from harness_attacks.noise import KEYBOARD, CharSwap, Typos
from harness_attacks.passage import Passage, words_of
from harness_attacks.single import map_words
from harness_attacks.trial import Trial
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness import Example
from harness.components import Classifier

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)
WORDY = st.text(alphabet="ab'-_*@ .,<>SPLIT\n`×é", max_size=40)


@given(TEXTS | WORDY)
def test_words_are_found_where_they_stand(text: str) -> None:
    passage = Passage((text,))
    assert passage.words == words_of(text)
    for index, word in enumerate(passage.words):
        start, end = passage.span(index)
        assert text[start:end] == word
        assert passage.replace(index, "NEW") == (text[:start] + "NEW" + text[end:],)


@given(WORDY, WORDY, st.data())
def test_replacing_touches_one_word_of_one_text(first: str, second: str, data: Any) -> None:
    passage = Passage.of((first, second))
    assert passage.words == words_of(first) + words_of(second)
    if passage.words:
        index = data.draw(st.integers(0, len(passage.words) - 1))
        changed = passage.changed(index, "xyz")
        assert changed.words == [*passage.words[:index], "xyz", *passage.words[index + 1 :]]
        assert changed.modified == {index}
        assert changed.part_of(index) == passage.part_of(index)


@given(TEXTS)
def test_mapping_words_to_themselves_changes_nothing(text: str) -> None:
    assert map_words(text, lambda word: word) == text


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_a_trial_draws_what_the_global_generators_would(seed: int) -> None:
    trial = Trial(Example("", 0), seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    assert [trial.random.choice("abc") for _ in range(20)] == [random.choice("abc") for _ in range(20)]
    assert [trial.numpy_random.randint(0, 9) for _ in range(20)] == [np.random.randint(0, 9) for _ in range(20)]  # noqa: NPY002


LONG = "The wonderful performances carry this otherwise forgettable adventure through several ordinary chapters " * 5


@pytest.mark.parametrize("attack", [CharSwap(rate=0.5), Typos(rate=0.2)])
def test_noise_is_of_the_wanted_rate_and_repeats(attack: CharSwap | Typos) -> None:
    (noisy,) = attack.variants(Trial(Example(LONG, 0), 4))
    (again,) = attack.variants(Trial(Example(LONG, 0), 4))
    (other,) = attack.variants(Trial(Example(LONG, 0), 5))
    assert isinstance(noisy, str)
    assert noisy == again != other
    long = [(a, b) for a, b in zip(LONG.split(), noisy.split(), strict=True) if len(a) >= 4]
    share = sum(a != b for a, b in long) / len(long)
    assert 0.3 < share < 0.95
    assert all(a[0] == b[0] for a, b in long)


def test_no_noise_at_rate_zero() -> None:
    for attack in (CharSwap(rate=0), Typos(rate=0)):
        assert list(attack.variants(Trial(Example(LONG, 0), 0))) == [LONG]


def test_char_swap_keeps_letters_and_the_ends_of_words() -> None:
    (noisy,) = CharSwap(rate=1).variants(Trial(Example(LONG, 0), 0))
    assert isinstance(noisy, str)
    for before, after in zip(LONG.split(), noisy.split(), strict=True):
        assert sorted(before) == sorted(after)
        assert (before[0], before[-1]) == (after[0], after[-1])


def test_keyboard_neighbours_are_mutual() -> None:
    assert set(KEYBOARD["w"]) == set("qeas")
    letters = [key for key in KEYBOARD if key.isalpha()]
    assert all((a in KEYBOARD[b]) == (b in KEYBOARD[a]) for a in letters for b in letters)


def test_checklist_changes_names_numbers_and_contractions_only() -> None:
    text = "Mary isn't in Paris with 25 friends since 1999; she has 2 dogs."
    variants = list(CheckList(tries=3).variants(Trial(Example(text, 0), 1)))
    names, numbers, contractions = variants[:3], variants[3:6], variants[6:]
    for changed in names:
        assert isinstance(changed, str)
        assert re.fullmatch(r"\w+ isn't in \w+ with 25 friends since 1999; she has 2 dogs\.", changed)
    assert len({*names, text}) > 1
    for changed in numbers:
        assert isinstance(changed, str)
        match = re.fullmatch(r"Mary isn't in Paris with (\d\d) friends since (\d{4}); she has 2 dogs\.", changed)
        assert match is not None
        assert 20 <= int(match[1]) <= 30
        assert 1994 <= int(match[2]) <= 2004
    assert contractions == [text, text.replace("isn't", "is not")]


@pytest.mark.parametrize("columns", ["first", "second"])
@pytest.mark.parametrize("kind", ["deepwordbug", "char-swap", "typos"])
def test_only_the_chosen_text_of_a_pair_is_changed(
    kind: str, columns: str, simple: Classifier, simple_reviews: list[Example]
) -> None:
    texts = [(one.text, other.text) for one, other in zip(simple_reviews[:5], simple_reviews[5:10], strict=True)]
    labels = simple.predict_proba(texts).argmax(axis=1)
    examples = [Example(pair[0], int(label), pair[1]) for pair, label in zip(texts, labels, strict=True)]
    options = {} if kind == "deepwordbug" else {"rate": 0.5}
    results = list(harness.component("attack", kind, columns=columns, **options).attack(simple, examples, seed=0))
    kept, changed = (1, 0) if columns == "first" else (0, 1)
    assert all(result.perturbed[kept] == result.original[kept] for result in results)
    assert any(result.perturbed[changed] != result.original[changed] for result in results)


def test_the_papers_combined_score_ranks_by_prefixes_and_suffixes(make_classifier: Callable[..., Any]) -> None:
    """On a classifier that adds up word weights, every ranking puts the weightiest words first."""
    weights = {"terrible": 0.3, "awful": 0.2, "poor": 0.1}
    simple = make_classifier(weights)
    example = Example("awful scenes terrible actors poor light", 0)
    for ranking in ("unk", "delete", "combined"):
        simple.asked.clear()
        attack = harness.component("attack", "deepwordbug", ranking=ranking, edits=["substitute"])
        list(attack.attack(simple, [example], seed=0))
        edited = [text for text in simple.asked if len(text.split()) == 6 and "[UNK]" not in text]
        order = dict.fromkeys(word for text in edited for word in example.text.split() if word not in text.split())
        assert list(order)[:3] == ["terrible", "awful", "poor"], ranking
    assert "awful scenes terrible" in simple.asked  # a prefix that ends in the word
    assert " actors poor light" in simple.asked  # the suffix after it
