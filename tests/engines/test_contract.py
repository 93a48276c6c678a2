"""The engines of this project keep the contract of engines; what the local one says and measures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.engines import Engine, LocalEngine, ProcessEngine, StageError
from harness.observers.hooks import Observers
from harness.store.store import Store
from harness.testing import EngineContract


class TestLocalEngine(EngineContract):
    def make(self, store: Store) -> Engine:
        return LocalEngine(store)


class TestProcessEngine(EngineContract):
    slow_to_start = True

    def make(self, store: Store) -> Engine:
        return ProcessEngine(store)


@pytest.fixture
def observers(seen: Any) -> Observers:
    def complain(line: str) -> None:
        raise AssertionError(line)

    return Observers([seen], complain)


def test_a_store_that_cannot_be_written_is_one_message(diamond: Any, observers: Observers, store: Store) -> None:
    list(LocalEngine(store).compute(diamond["b"], observers))
    before = sorted((path, path.stat().st_mtime_ns) for path in store.root.rglob("*"))
    read_only = LocalEngine(Store(store.root, read_only=True))
    finished = {item.target.title: item.error for item in read_only.compute(diamond["bd"], observers)}
    assert finished["b"] is None
    assert isinstance(finished["d"], StageError)
    assert "No permission to write" in finished["d"].message
    assert finished["d"].exit_code == 2
    assert sorted((path, path.stat().st_mtime_ns) for path in store.root.rglob("*")) == before


def test_a_manifest_says_what_the_stage_cost(diamond: Any, observers: Observers, store: Store) -> None:
    (d,) = diamond["d"]
    list(LocalEngine(store).compute([d], observers))
    meta = json.loads((store.folder(d.kind, d.id) / "artifact.json").read_text())["meta"]
    assert meta["seconds"] >= 0
    assert meta["peak_memory"] > 1e6
    assert meta["environment"]["threads"] >= 1
    assert set(meta["rests_on"]) == {stage.id for stage in diamond["abc"]}
