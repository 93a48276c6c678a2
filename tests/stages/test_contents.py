"""Every content survives the disk, and the same content is the same bytes."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.components.example import Dataset, Example, Task
from harness.components.generator import Rejected, SyntheticExample, UnknownUnknown
from harness.components.metric import AttackedTest, Score
from harness.components.model import Classifier, Model
from harness.components.trajectory import Trajectory
from harness.records.model import ScoreRecord
from harness.stages import contents as package
from harness.stages.contents.arrays import Answers, Embeddings, Places, Probabilities, Values
from harness.stages.contents.attacks import AttackedExamples, AttackedPlaces, ElicitationCounts, ElicitedUnknowns
from harness.stages.contents.base import Content
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import CorruptedData, LoadedData, SampledData, SyntheticData
from harness.stages.contents.evaluation import Evaluation
from harness.stages.contents.trajectory import TracedTraining
from harness.stages.contents.valuation import ValuationFindings
from harness.testing import WordClassifier, reviews
from harness.valuation.judge import AssessedValues

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
pairs = texts | st.tuples(texts, texts)
counts = st.integers(0, 2**40)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def examples(draw: st.DrawFn, least: int = 0) -> list[Example]:
    rows = draw(
        st.lists(
            st.tuples(texts, st.integers(0, 3), st.none() | texts, st.lists(texts, max_size=2)),
            min_size=least,
            max_size=4,
        )
    )
    return [Example(text, label, pair, f"{i}", tuple(tags)) for i, (text, label, pair, tags) in enumerate(rows)]


def rows(n: int, width: int, dtype: Any = np.float32) -> st.SearchStrategy[Any]:
    width_of = {np.float32: 32, np.float64: 64}[dtype]
    return arrays.arrays(dtype, (n, width) if width else (n,), elements=st.floats(-1e6, 1e6, width=width_of))


loaded = st.builds(
    LoadedData.of,
    st.builds(
        Dataset,
        st.builds(Task, texts, st.lists(texts, min_size=2, max_size=3).map(tuple), st.just(("a", "b")), texts),
        examples(),
        examples(),
        examples(),
        st.dictionaries(texts, st.integers() | texts | numbers, max_size=3),
    ),
    texts,
)


@st.composite
def sampled(draw: st.DrawFn) -> SampledData:
    data = draw(loaded)
    return SampledData.of_test(data, np.flatnonzero(draw(arrays.arrays(np.bool_, len(data.test)))))


@st.composite
def corrupted(draw: st.DrawFn) -> CorruptedData:
    data = draw(loaded)
    parts = {field.name: getattr(data, field.name) for field in fields(LoadedData)}
    return CorruptedData(**parts, noisy=draw(arrays.arrays(np.bool_, len(data.train))))


synthetic = st.builds(
    SyntheticData,
    examples().flatmap(
        lambda made: st.tuples(*(st.builds(SyntheticExample, st.just(e), counts, texts, texts) for e in made)).map(list)
    ),
    st.lists(st.builds(Rejected, counts, texts, texts, texts), max_size=3),
)


@st.composite
def elicited(draw: st.DrawFn) -> ElicitedUnknowns:
    n, k = draw(st.integers(0, 3)), draw(st.integers(2, 3))
    columns = {"index": counts, "perturbed": pairs, "queries": counts}
    lists = {name: draw(st.lists(items, min_size=n, max_size=n)) for name, items in columns.items()}
    spent = ElicitationCounts(*draw(st.tuples(*[counts] * len(fields(ElicitationCounts)))))
    return ElicitedUnknowns(**lists, original_probs=draw(rows(n, k)), perturbed_probs=draw(rows(n, k)), counts=spent)


@st.composite
def attacked(draw: st.DrawFn) -> AttackedExamples:
    n = draw(st.integers(0, 3))
    status = draw(st.lists(st.sampled_from(["succeeded", "failed", "skipped"]), min_size=n, max_size=n))
    queries = draw(arrays.arrays(np.int64, n, elements=st.integers(0, 1000)))
    results = AttackedTest(status, draw(st.lists(pairs, min_size=n, max_size=n)), draw(rows(n, 2)), queries)
    return AttackedExamples(results, draw(st.lists(texts, min_size=n, max_size=n)))


@st.composite
def places(draw: st.DrawFn) -> AttackedPlaces:
    results = draw(attacked()).results
    n = len(results.status)
    return AttackedPlaces(draw(st.lists(counts, min_size=n, max_size=n)), results, draw(rows(n, 2)))


figures = st.builds(
    Score,
    st.floats(),
    st.sampled_from(["higher", "lower", None]),
    st.none() | numbers,
    st.none() | numbers,
    meaning=texts,
)
evaluations = st.builds(
    Evaluation,
    st.dictionaries(texts, figures.map(lambda score: ScoreRecord.of(score, metric="m")), max_size=4),
    st.lists(numbers, max_size=3).map(
        lambda column: {
            "predictions": pd.DataFrame({"id": [str(i) for i in range(len(column))], "prob_0": column}),
            "tables/m.curve": pd.DataFrame({"x": column}),
        }
    ),
)


@st.composite
def assessed(draw: st.DrawFn) -> ValuationFindings:
    curves = pd.DataFrame(draw(rows(3, 3, np.float64)), columns=["removed", "remove_high", "remove_low"])
    figures = [draw(st.floats()) for _ in range(3)]
    return ValuationFindings(draw(rows(4, 0, np.float64)), AssessedValues(*figures, curves, draw(counts)))


@st.composite
def traced(draw: st.DrawFn) -> TracedTraining:
    n, m, k, d, epochs = (draw(st.integers(1, 3)) for _ in range(5))
    shapes = [(epochs + 1, size, width) for size in (n, m) for width in (k, d)]
    made = [draw(arrays.arrays(np.float32, shape, elements=st.floats(-1e6, 1e6, width=32))) for shape in shapes]
    batches = draw(arrays.arrays(np.int64, (2 * epochs, 2), elements=st.integers(-1, n - 1)))
    steps, rates = 2 * np.arange(epochs + 1), draw(rows(2 * epochs, 0, np.float64))
    plain = Trajectory(*made, steps, batches, rates, epochs)
    if draw(st.booleans()):
        return TracedTraining(plain)
    seen = {"passing_logits": made[0][1:], "passing_features": made[1][1:]}
    glanced = np.zeros((2 * epochs, 1), np.int64)
    glances = [np.zeros((2 * epochs, 1, width), np.float32) for width in (k, d)]
    return TracedTraining(
        replace(plain, **seen, glance_rows=glanced, glance_logits=glances[0], glance_features=glances[1])
    )


CONTENTS: dict[type[Content], st.SearchStrategy[Any]] = {
    LoadedData: loaded,
    CorruptedData: corrupted(),
    SampledData: sampled(),
    SyntheticData: synthetic,
    Embeddings: st.integers(0, 3).flatmap(lambda n: rows(n, 4)).map(Embeddings),
    Values: st.integers(0, 3).flatmap(lambda n: rows(n, 0, np.float64)).map(Values),
    Answers: st.integers(0, 3).flatmap(lambda n: st.builds(Answers, rows(n, 2), rows(n + 1, 2))),
    Probabilities: st.integers(0, 3).flatmap(lambda n: rows(n, 2)).map(Probabilities),
    ElicitedUnknowns: elicited(),
    AttackedExamples: attacked(),
    AttackedPlaces: places(),
    Places: arrays.arrays(np.int64, st.integers(0, 4)).map(Places),
    Evaluation: evaluations,
    ValuationFindings: assessed(),
    TracedTraining: traced(),
}


def same(left: Any, right: Any) -> bool:
    """Whether two contents, or parts of them, are equal; undefined figures are."""
    if is_dataclass(left):
        return type(left) is type(right) and all(
            same(getattr(left, field.name), getattr(right, field.name)) for field in fields(left)
        )
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    if isinstance(left, pd.DataFrame):
        return left.equals(right)
    if isinstance(left, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if hasattr(left, "keys"):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def files(folder: Path) -> dict[str, bytes]:
    """What lies in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", CONTENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_content_survives_the_disk(
    tmp_path_factory: pytest.TempPathFactory, kind: type[Content], data: st.DataObject
) -> None:
    content, folder = data.draw(CONTENTS[kind]), tmp_path_factory.mktemp("content")
    (folder / "one").mkdir()
    content.write(folder / "one")
    back = kind.read(folder / "one")
    assert same(content, back)
    if isinstance(back, Evaluation):
        assert list(back.scores) == list(content.scores)  # in the order of the metrics
    (folder / "two").mkdir()
    back.write(folder / "two")
    assert files(folder / "one") == files(folder / "two") != {}


def test_no_content_is_left_out() -> None:
    modules = [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    found = {
        cls
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Content) and not inspect.isabstract(cls)
    }
    assert found == {*CONTENTS, TrainedClassifier}


class Words(Model):
    """Naive Bayes over words."""

    api_version: ClassVar[int] = 1

    def fine_tune(self, train: Any, *, num_labels: int, seed: int, weights: Any = None) -> Classifier:
        return WordClassifier.fit(train, num_labels)

    def load(self, folder: Path) -> Classifier:
        return WordClassifier.read(folder)

    def embed(self, texts: Any) -> Any:
        raise NotImplementedError


def test_a_classifier_survives_the_disk(tmp_path: Path) -> None:
    classifier = WordClassifier.fit(reviews(40))
    content = TrainedClassifier(classifier)
    assert content.load(Words()) is classifier
    asked = [example.texts for example in reviews(10, seed=1)]
    for name, written in (("one", content), ("two", None)):
        (tmp_path / name).mkdir()
        (written or TrainedClassifier.read(tmp_path / "one")).write(tmp_path / name)
        back = TrainedClassifier.read(tmp_path / name).load(Words())
        assert np.array_equal(back.predict_proba(asked), classifier.predict_proba(asked))
    assert files(tmp_path / "one") == files(tmp_path / "two") != {}


def test_splits_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    task = Task("reviews", ("bad", "good"))
    LoadedData.of(Dataset(task, reviews(4), reviews(3, seed=1), reviews(2, seed=2)), "print").write(tmp_path)
    (tmp_path / "train.parquet").write_bytes(b"damaged")
    back = LoadedData.read(tmp_path)
    assert back.sizes == {"train": 4, "validation": 3, "test": 2}
    assert len(back.examples("validation")) == 3
    assert back.validation is back.validation
    with pytest.raises(KeyError):
        back.examples("synthetic")
    with pytest.raises(ValueError, match="Parquet"):
        _ = back.train


def test_unknown_unknowns_find_their_examples_again() -> None:
    train = reviews(6)
    probs = [np.asarray(row, dtype=np.float32) for row in ([0.9, 0.1], [0.2, 0.8])]
    uus = [UnknownUnknown(train[i], f"text {i}", probs[0], probs[1], i, queries=i) for i in (4, 1)]
    back = ElicitedUnknowns.of(uus, ElicitationCounts(5, 2, 9, 2, 2, 6)).unknowns(train)
    assert [(uu.example, uu.perturbed, uu.queries) for uu in back] == [
        (uu.example, uu.perturbed, uu.queries) for uu in uus
    ]
    assert all(np.array_equal(a.perturbed_probs, b.perturbed_probs) for a, b in zip(back, uus, strict=True))
