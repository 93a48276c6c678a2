"""A small real classifier and made-up reviews, for tests that need a victim but no language model."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.components import Classifier, Encoding, Example
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import FloatArray

_WORDS = (
    ("dreadful", "boring", "clumsy", "hollow", "tedious", "awful", "stale", "cold"),
    ("wonderful", "charming", "superb", "moving", "brilliant", "delightful", "clever", "warm"),
)
_PLAIN = ("the", "film", "story", "with", "actor", "scene", "and", "plot", "music", "was", "very", "ending")


def reviews(n: int, *, seed: int = 0) -> list[Example]:
    """Short reviews of class 0 (negative) and 1 (positive) in turn, told apart by their adjectives."""
    rng = random.Random(seed)
    made = []
    for i in range(n):
        words = rng.choices(_PLAIN, k=6) + rng.choices(_WORDS[i % 2], k=3)
        rng.shuffle(words)
        made.append(Example(" ".join(words), i % 2, id=f"review/{i}"))
    return made


class WordClassifier(Classifier):
    """Multinomial naive Bayes over words (McCallum and Nigam 1998); unknown words share one token."""

    def __init__(self, vocabulary: Sequence[str], log_likelihood: FloatArray) -> None:
        self._vocabulary = {word: index for index, word in enumerate(vocabulary, start=1)}
        self._table = log_likelihood
        self.num_labels = log_likelihood.shape[1]

    @classmethod
    def fit(cls, examples: Sequence[Example], num_labels: int = 2) -> WordClassifier:
        """Count words per class, with add-one smoothing."""
        import numpy as np

        vocabulary = sorted({word for example in examples for word in _tokens(example.texts)})
        counts = np.ones((len(vocabulary) + 1, num_labels))
        index = {word: i for i, word in enumerate(vocabulary, start=1)}
        for example in examples:
            for word in _tokens(example.texts):
                counts[index[word], example.label] += 1
        return cls(vocabulary, np.log(counts / counts.sum(axis=0)))

    def encode(self, texts: Sequence[Texts]) -> list[Encoding]:
        """One token per word."""
        return [Encoding(tuple(self._vocabulary.get(word, 0) for word in _tokens(text))) for text in texts]

    def predict_encoded(self, encodings: Sequence[Encoding]) -> FloatArray:
        """Posterior probabilities under a uniform prior."""
        import numpy as np

        rows = (
            np.stack([self._table[list(e.input_ids)].sum(axis=0) for e in encodings]) if encodings else np.zeros((0, 2))
        )
        rows = np.exp(rows - rows.max(axis=1, keepdims=True)) if len(rows) else rows
        probs: FloatArray = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
        return probs

    def embed(self, texts: Sequence[Texts]) -> FloatArray:
        """Share of each word of the vocabulary: ``(n, |vocabulary| + 1)`` float32."""
        import numpy as np

        table = np.zeros((len(texts), len(self._vocabulary) + 1), dtype=np.float32)
        for row, encoding in enumerate(self.encode(texts)):
            for token in encoding.input_ids:
                table[row, token] += 1 / len(encoding.input_ids)
        return table

    def save(self, folder: Path) -> None:
        """Write the vocabulary and the table as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {"vocabulary": list(self._vocabulary), "table": self._table.tolist()}
        (folder / "words.json").write_text(json.dumps(content), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> WordClassifier:
        """Read what :meth:`save` wrote."""
        import numpy as np

        content = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        return cls(content["vocabulary"], np.asarray(content["table"]))


def _tokens(texts: Texts) -> list[str]:
    joined = texts if isinstance(texts, str) else " | ".join(texts)
    return re.findall(r"\w+|\|", joined.lower())
