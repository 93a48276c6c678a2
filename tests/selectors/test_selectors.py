"""Selectors: every one gives a repeatable order, and each orders as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.components import AdaptiveSelector, Example, SelectionProblem
from harness.errors import DataError
from harness.registry import component, registry

NAMES = ("random", "highest", "lowest", "stratified", "uncertain", "diverse", "bandit", "coverage")


def problem(n: int, seed: int = 0, k: int = 2) -> SelectionProblem:
    rng = np.random.default_rng(seed)
    return SelectionProblem(
        [Example(f"number {i} " * int(rng.integers(1, 9)), int(rng.integers(0, k)), id=str(i)) for i in range(n)],
        embeddings=rng.normal(size=(n, 5)).astype(np.float32),
        probs=rng.dirichlet(np.ones(k), n).astype(np.float32),
        values=rng.integers(0, 4, n) / 4,
    )


@pytest.mark.parametrize("name", NAMES)
@given(n=st.integers(1, 60), seed=st.integers(0, 1000), k=st.integers(2, 4))
@settings(max_examples=15, deadline=None)
def test_every_selector_gives_a_repeatable_permutation(name: str, n: int, seed: int, k: int) -> None:
    data = problem(n, seed, k)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - it is the global state that must not change
    order = component("selector", name).order(data, seed=seed)
    assert sorted(order) == list(range(n))
    assert (order == component("selector", name).order(data, seed=seed)).all()
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_needed_is_looked_at(name: str) -> None:
    data = problem(40)
    selector = component("selector", name)
    spare = {part: None for part in ("embeddings", "probs", "values") if part not in selector.needs}
    assert sorted(selector.order(replace(data, **spare), seed=1)) == list(range(40))
    for part in selector.needs:
        with pytest.raises(DataError, match=r"needs .* and there are none"):
            selector.order(replace(data, **{part: None}), seed=1)
        with pytest.raises(DataError, match="does not fit 40 training examples"):
            selector.order(replace(data, **{part: getattr(data, part)[:-1]}), seed=1)
        broken = getattr(data, part).astype(np.float64)
        broken[3] = np.nan
        with pytest.raises(DataError, match="of 1 of 40 training examples are not finite"):
            selector.order(replace(data, **{part: broken}), seed=1)


def test_listing_selectors_does_not_need_their_numerics() -> None:
    found = {entry.name for entry in registry().entries("selector")}
    assert set(NAMES) <= found


def test_values_decide_and_ties_are_drawn() -> None:
    data = problem(200)
    highest = component("selector", "highest").order(data, seed=3)
    lowest = component("selector", "lowest").order(data, seed=3)
    assert (np.diff(data.values[highest]) <= 0).all()
    assert (np.diff(data.values[lowest]) >= 0).all()
    assert (highest != component("selector", "highest").order(data, seed=4)).any()
    constant = replace(data, values=np.full(200, 0.5))
    first_half = component("selector", "highest").order(constant, seed=0)[:100]
    assert 25 < (first_half < 100).sum() < 75, "equal values must not fall back on the order of the file"


def test_uncertain_puts_close_calls_first() -> None:
    data = problem(100, k=3)
    margin = np.sort(data.probs, axis=1)
    margin = margin[:, -1] - margin[:, -2]
    assert (np.diff(margin[component("selector", "uncertain").order(data, seed=0)]) >= -1e-6).all()
    entropy = -(data.probs * np.log(data.probs)).sum(axis=1)
    order = component("selector", "uncertain", measure="entropy").order(data, seed=0)
    assert (np.diff(entropy[order]) <= 1e-6).all()


def test_stratified_keeps_the_shares_in_every_beginning() -> None:
    train = [Example("x", int(i % 10 == 0), id=str(i)) for i in range(200)]
    labels = np.asarray([example.label for example in train])
    order = component("selector", "stratified").order(SelectionProblem(train), seed=5)
    for m in (10, 50, 100, 200):
        assert labels[order[:m]].sum() == pytest.approx(m / 10, abs=1)
    equal = component("selector", "stratified", shares="equal").order(SelectionProblem(train), seed=5)
    assert labels[equal[:40]].sum() == 20


def test_diverse_visits_every_cluster_first() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(6)
    sizes = [150, 20, 10, 5, 3, 2]
    points = np.concatenate([c + rng.normal(0, 0.05, (s, 6)) for c, s in zip(centres, sizes, strict=True)])
    cluster = np.repeat(np.arange(6), sizes)
    data = SelectionProblem([Example("x", 0)] * len(points), embeddings=points.astype(np.float32))
    order = component("selector", "diverse").order(data, seed=1)
    assert set(cluster[order[:6]]) == set(range(6))
    assert len(set(cluster[component("selector", "random").order(data, seed=1)[:6]])) < 6


def blind_spots(n: int = 400) -> tuple[SelectionProblem, np.ndarray, np.ndarray]:
    """Eight regions, of which two are blind spots: everything in them is an unknown unknown."""
    rng = np.random.default_rng(0)
    region = rng.integers(0, 8, n)
    points = np.eye(8)[region] + rng.normal(0, 0.1, (n, 8))
    found = (region == 2) | (region == 5)
    probs = np.stack([np.full(n, 0.9), np.full(n, 0.1)], axis=1)
    train = [Example(f"text {i}", 0, id=str(i)) for i in range(n)]
    return SelectionProblem(train, embeddings=points.astype(np.float32), probs=probs), found, region


def hunt(name: str, budget: int, **options: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    data, found, region = blind_spots()
    selector = component("selector", name, **options)
    if not isinstance(selector, AdaptiveSelector):
        asked = selector.order(data, seed=2)[:budget]
        return asked, found[asked], region[asked]
    search, asked = selector.search(data, seed=2), np.zeros(0, dtype=int)
    while len(asked) < budget and len(batch := search.ask()):
        assert not set(batch) & set(asked)
        search.tell(batch, found[batch])
        asked = np.concatenate([asked, batch])
    return asked[:budget], found[asked[:budget]], region[asked[:budget]]


def test_bandit_finds_more_unknown_unknowns_than_chance() -> None:
    _, by_chance, _ = hunt("random", 96)
    _, by_bandit, region = hunt("bandit", 96)
    assert by_bandit.sum() > 1.5 * by_chance.sum()
    assert {2, 5} <= set(region[by_bandit])
    _, one_by_one, _ = hunt("bandit", 96, batch=1)
    assert one_by_one.sum() > 1.5 * by_chance.sum()


def test_coverage_reaches_both_blind_spots_before_it_returns_to_one() -> None:
    _, hits, region = hunt("coverage", 24)
    found = region[hits]
    assert {2, 5} == set(found)
    _, _, everything = hunt("coverage", 400)
    assert len(everything) == 400


def test_adaptive_search_accepts_an_incomplete_answer() -> None:
    data, found, _ = blind_spots()
    for name in ("bandit", "coverage"):
        search = component("selector", name).search(data, seed=0)
        batch = search.ask()
        search.tell(batch[:3], found[batch[:3]])
        assert not set(search.ask()) & set(batch)


def test_bandit_prefers_cheap_regions_when_cost_is_length() -> None:
    data, _, region = blind_spots()
    train = [Example("word " * (1 if r < 4 else 20), 0, id=e.id) for e, r in zip(data.train, region, strict=True)]
    search = component("selector", "bandit", cost="length", gamma=2.0).search(replace(data, train=train), seed=0)
    asked = np.zeros(0, dtype=int)
    while len(asked) < 120:
        batch = search.ask()
        search.tell(batch, np.zeros(len(batch), dtype=bool))
        asked = np.concatenate([asked, batch])
    assert (region[asked] < 4).mean() > 0.7
