"""Long stages are made of parts: whole again byte for byte, however they are cut; found again after a kill; shared by arms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.engines.base import StageError
from harness.engines.local import LocalEngine
from harness.observers.hooks import Observers, StageInfo, hookimpl
from harness.running.runner import prepare
from harness.stages import attack_test, elicit, predict
from harness.stages.parts import attack_training
from harness.stages.parts.cutting import cuts
from harness.store.store import Store

KINDS = ("predict", "attack", "elicit")


@given(st.lists(st.integers(0, 9)), st.integers(1, 20), st.none() | st.integers(1, 5))
def test_pieces_cover_everything_once_and_are_no_larger_than_they_may_be(
    costs: list[int], most_cost: int, most: int | None
) -> None:
    pieces = cuts(costs, most_cost=most_cost, most=most)
    assert [position for piece in pieces for position in piece] == list(range(len(costs)))
    for piece in pieces:
        assert len(piece) == 1 or sum(costs[piece.start : piece.stop]) <= most_cost
        assert 1 <= len(piece) <= (most or len(costs))
    for piece, following in pairwise(pieces):  # none is smaller than it has to be
        full = sum(costs[piece.start : piece.stop]) + costs[following.start] > most_cost
        assert full or len(piece) == most


def divide(monkeypatch: pytest.MonkeyPatch, *, attacked: int, elicited: int, characters: int) -> None:
    monkeypatch.setattr(attack_test, "ATTACKED", attacked)
    monkeypatch.setattr(elicit, "ELICITED", elicited)
    monkeypatch.setattr(predict, "CHARACTERS", characters)


class Heard:
    """Keeps what observers are told."""

    def __init__(self) -> None:
        self.finished: list[StageInfo] = []
        self.moved: list[tuple[str, float, float | None]] = []

    @hookimpl
    def stage_finished(self, stage: StageInfo) -> None:
        self.finished.append(stage)

    @hookimpl
    def stage_progressed(self, stage: StageInfo, unit: str, done: float, total: float | None) -> None:
        if unit == "parts":
            self.moved.append((stage.kind, done, total))


Compute = Callable[..., tuple[Store, Heard]]


@pytest.fixture
def compute(tmp_path: Path, suite_file: Callable[..., Path]) -> Compute:
    """Computes what the arms of the tiny suite attack, elicit and predict; gives the store and what was heard."""

    def run(folder: str, *replacements: tuple[str, str], arms: tuple[str, ...] = ("bliss",)) -> tuple[Store, Heard]:
        suite = harness.load_suite(suite_file(*replacements)).restrict(arms=arms)
        store, heard = Store(tmp_path / folder), Heard()
        targets = [stage for stage in prepare(suite).stages() if stage.kind in KINDS]
        for finished in LocalEngine(store, threads=1).compute(targets, Observers([heard], pytest.fail)):
            if finished.error is not None:
                raise finished.error
        return store, heard

    return run


def wholes(store: Store, heard: Heard) -> dict[tuple[str, str], bytes]:
    """The files of what was computed and is no part, by stage and name."""
    return {
        (stage.title, path.name): path.read_bytes()
        for stage in heard.finished
        if not stage.part and stage.kind in KINDS
        for path in store.folder(stage.kind, stage.id).iterdir()
        if path.name != "artifact.json"
    }


def test_a_stage_that_is_divided_gives_the_bytes_of_one_that_is_not(
    compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    divide(monkeypatch, attacked=10**6, elicited=10**6, characters=10**9)
    whole = wholes(*compute("whole"))
    divide(monkeypatch, attacked=7, elicited=3, characters=300)
    store, heard = compute("parts")
    assert wholes(store, heard) == whole
    attacks = [stage for stage in heard.finished if stage.kind == "attack" and stage.part]
    assert len(attacks) == 4  # 24 test examples in sevens
    assert [moved for moved in heard.moved if moved[0] == "attack"] == [("attack", n, 4) for n in (1, 2, 3, 4)]
    one_at_a_time = Store(store.root.parent / "single")
    divide(monkeypatch, attacked=1, elicited=1, characters=1)
    assert wholes(*compute(one_at_a_time.root.name)) == whole


def test_a_search_that_learns_from_what_it_finds_is_kept_too(compute: Compute, monkeypatch: pytest.MonkeyPatch) -> None:
    bandit = (
        "select: {highest: dvrl}, generate: adversarial}",
        "select: {use: bandit, batch: 5}, generate: adversarial}",
    )
    before = wholes(*compute("whole", bandit))
    divide(monkeypatch, attacked=64, elicited=2, characters=10**9)
    assert wholes(*compute("parts", bandit)) == before


class Attacked:
    """Counts the examples that are really attacked, and may break in the middle."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        self.until: int | None = None
        plain = attack_training.attacked

        def attacked(attack: Any, victim: Any, examples: Any, **options: Any) -> Iterator[Any]:
            for result in plain(attack, victim, examples, **options):
                if len(self.texts) == self.until:
                    raise MemoryError("out of it")
                self.texts.append(result.original)
                yield result

        monkeypatch.setattr(attack_training, "attacked", attacked)


def test_what_was_attacked_before_a_kill_is_not_attacked_again(
    compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    divide(monkeypatch, attacked=64, elicited=2, characters=10**9)
    counted = Attacked(monkeypatch)
    whole = wholes(*compute("quiet"))
    order = list(counted.texts)
    counted.texts.clear()
    counted.until = 3
    with pytest.raises(StageError, match=r"attack training .*MemoryError: out of it"):
        compute("broken")
    counted.until = None
    counted.texts.clear()
    store, heard = compute("broken")
    assert counted.texts[:2] == order[2:4]  # the part that broke is attacked again, the one before it is not
    assert not set(order[:2]) & set(counted.texts)
    elicited = {key: data for key, data in whole.items() if key[0].startswith("elicit")}
    assert elicited.items() <= wholes(store, heard).items()


def test_arms_that_attack_the_same_examples_share_the_results(
    compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = ("uu_fraction: 0.05", "uu_fraction: 1")
    counted = Attacked(monkeypatch)
    alone = wholes(*compute("alone", everything, arms=("ibs",)))
    assert len(counted.texts) == 80
    counted.texts.clear()
    together = wholes(*compute("together", everything, arms=("bliss", "ibs")))
    assert len(counted.texts) == 80  # both attack all of the training set, each in an order of its own
    assert alone.items() <= together.items()
