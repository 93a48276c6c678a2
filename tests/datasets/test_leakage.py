"""Near-duplicates of held-out texts are found, exactly, and nothing else is."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.datasets.leakage import closest, leaks

SENTENCES = [
    "A gripping story, told with warmth and a great deal of wit.",
    "The second half drags on and on until nobody cares any more.",
    "An honest little film about growing up by the sea.",
    "Loud, long and pointless: two hours I will never get back.",
]


def brute_force(a, b):
    """Jaccard index of character 5-grams with plain Python sets."""

    def grams(texts):
        text = texts if isinstance(texts, str) else " ".join(texts)
        text = re.sub(r"[\W_]+", " ", text.casefold()).strip().ljust(5)
        return {text[i : i + 5] for i in range(len(text) - 4)}

    one, two = grams(a), grams(b)
    return len(one & two) / len(one | two)


words = st.lists(
    st.sampled_from(["the", "a", "film", "movie", "was", "is", "good", "bad", "very", "so", "dull", "fine", "plot"]),
    max_size=8,
)
texts = words.map(" ".join)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(texts, max_size=6),
    st.lists(st.one_of(texts, st.tuples(texts, texts)), max_size=8),
    st.floats(0.1, 1.0),
)
def test_it_agrees_with_comparing_every_pair(candidates, reference, threshold):
    found = closest(candidates, reference, threshold=threshold)
    for i, candidate in enumerate(candidates):
        scores = [brute_force(candidate, text) for text in reference]
        best = max(scores, default=0.0)
        if best >= threshold:
            assert scores[found.row[i]] == pytest.approx(best)
            assert found.row[i] == scores.index(best)
            assert found.similarity[i] == pytest.approx(best)
        else:
            assert found.row[i] == -1
            assert found.similarity[i] == 0


@pytest.mark.parametrize(
    "changed",
    [
        "A GRIPPING story told with warmth -- and a great deal of wit",
        "A gripipng story, told with wamth and a great deal of wi t.",
        "Really: A gripping story, told with warmth and a great deal of wit.",
        "A gripping tale, told with warmth and a great deal of wit.",
    ],
)
def test_small_changes_do_not_hide_a_copy(changed):
    assert leaks([changed], SENTENCES).tolist() == [True]
    assert closest([changed], SENTENCES).row.tolist() == [0]


def test_other_texts_of_the_same_kind_are_no_copies():
    others = ["A dull story, told without warmth or wit.", "The first half is great until the sea story drags."]
    assert leaks(others, SENTENCES).tolist() == [False, False]


def test_planted_copies_among_many_are_all_found():
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(3000)]
    reference = [" ".join(rng.choices(vocabulary, k=40)) for _ in range(2000)]
    candidates = [" ".join(rng.choices(vocabulary, k=40)) for _ in range(200)]
    planted = rng.sample(range(200), 30)
    sources = rng.sample(range(2000), 30)
    for i, j in zip(planted, sources, strict=True):
        parts = reference[j].split()
        parts[rng.randrange(40)] = "changed"
        candidates[i] = " ".join(parts)
    found = closest(candidates, reference).row
    assert found[planted].tolist() == sources
    assert np.delete(found, planted).tolist() == [-1] * 170


def test_pairs_are_compared_as_a_whole():
    reference = [(SENTENCES[0], SENTENCES[1])]
    assert leaks([(SENTENCES[0], SENTENCES[1] + "!")], reference).tolist() == [True]
    assert leaks([(SENTENCES[2], SENTENCES[3])], reference).tolist() == [False]


def test_nothing_to_compare():
    assert leaks([], SENTENCES).tolist() == []
    assert leaks(SENTENCES[:2], []).tolist() == [False, False]
    assert leaks(["", "ok"], ["OK!", "..."]).tolist() == [True, True]


@pytest.mark.parametrize("threshold", [0, -1, 1.01])
def test_a_threshold_outside_its_range_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold must be in"):
        leaks(SENTENCES, SENTENCES, threshold=threshold)


@pytest.mark.parametrize(
    "text",
    [
        "Ein schöner Café-Film, der müde Söhne fröhlich macht",
        "phim này rất hay, diễn viên đóng tốt",
        "정말 재미있었다",
    ],
)
def test_a_text_in_another_spelling_of_unicode_is_the_same_text(text):
    from unicodedata import normalize

    apart = normalize("NFD", text)
    assert apart != text
    for candidate, reference in ((text, apart), (apart, text)):
        assert closest([candidate], ["something else entirely", reference]).similarity[0] == 1.0
