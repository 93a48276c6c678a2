"""What a row of class probabilities has to be, and where one that is none is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.components import Classifier, Encoding, Example
from harness.components.probabilities import improper, proper, require_proper
from harness.errors import HarnessError
from harness.models.linear import LinearModel
from harness.registry import registry
from harness.stages.base import Context
from harness.stages.contents.arrays import Probabilities
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.predict import Predict
from harness.types import Texts


@given(st.integers(2, 2000), st.floats(0.01, 100), st.integers(0, 2**31 - 1))
@settings(max_examples=60, deadline=None)
def test_every_float32_softmax_is_proper(classes: int, scale: float, seed: int) -> None:
    logits = torch.randn(20, classes, generator=torch.Generator().manual_seed(seed)) * scale
    assert proper(logits.softmax(dim=1).numpy()).all()
    half = logits.bfloat16().float().softmax(dim=1).numpy()
    assert proper(half).all()


@given(st.integers(2, 30), st.floats(1e-4, 2), st.sampled_from([-1, 1]), st.data())
@settings(max_examples=60, deadline=None)
def test_a_sum_that_is_off_is_found(classes: int, off: float, sign: int, data) -> None:
    probs = np.full((5, classes), 1 / classes, dtype=np.float32)
    row = data.draw(st.integers(0, 4))
    probs[row, 0] += sign * off
    found = improper(probs)
    assert found is not None
    assert (found.row, found.count, found.diverged) == (row, 1, False)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([0.9, 0.9], r"\[0.9, 0.9\] sums to 1.8, not to 1"),
        ([0, 0], r"\[0, 0\] sums to 0, not to 1"),
        ([1.5, -0.5], "has values below 0"),
        ([np.nan, 1], "no finite numbers"),
        ([np.inf, 0], "no finite numbers"),
        ([2, 0], r"\[2, 0\] sums to 2"),
    ],
)
def test_the_row_is_named(row: list[float], reason: str) -> None:
    examples = [Example("a", 0, id="test/0"), Example("b", 0, id="test/7")]
    with pytest.raises(HarnessError, match=rf"1 of 2 test examples \(first: row 1 \(test/7\), .*{reason}"):
        require_proper(
            np.asarray([[0.5, 0.5], row], dtype=np.float32),
            "test examples",
            examples,
        )


class Rows(Classifier):
    """A classifier that gives the same rows whatever it is asked."""

    num_labels = 2

    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = np.asarray(rows)

    def encode(self, texts: Sequence[Texts]) -> list[Encoding]:
        return [Encoding((row,)) for row in range(len(texts))]

    def predict_encoded(self, encodings: Sequence[Encoding]) -> Any:
        return self.rows

    def embed(self, texts: Sequence[Texts]) -> Any:
        return self.rows

    def save(self, folder: Path) -> None:
        folder.mkdir()


def predict(tmp_path: Path, rows: list[list[float]]) -> Any:
    examples = [Example(f"text {i}", 0, id=f"test/{i}") for i in range(len(rows))]
    classifier = Rows(rows)
    texts, trained, model = (
        object(),
        object(),
        SimpleNamespace(component=LinearModel(), entry=registry().find("model", "transformers")),
    )
    stage = Predict(title="predict", texts=texts, split="test", model=model, classifier=trained)  # type: ignore[arg-type]
    inputs: Any = {
        texts: SimpleNamespace(examples=lambda split: examples),
        trained: TrainedClassifier(classifier),
    }
    stage.compute(inputs, Context(tmp_path)).write(tmp_path)
    return Probabilities.read(tmp_path).probs


def test_a_classifier_of_scores_is_refused_where_it_predicts(tmp_path: Path) -> None:
    with pytest.raises(
        HarnessError, match=r"2 of 3 test examples \(first: row 1 \(test/1\), \[3.5, 1\] sums to 4.5"
    ) as caught:
        predict(tmp_path, [[0.5, 0.5], [3.5, 1.0], [1.0, 1.0]])
    assert "softmax" in caught.value.hint


def test_probabilities_are_kept_as_they_are(tmp_path: Path) -> None:
    assert predict(tmp_path, [[0.25, 0.75]]).tolist() == [[0.25, 0.75]]
