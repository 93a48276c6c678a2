"""The contract of engines: settle each target once, whatever fails or is damaged, and leave nothing half-built."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.engines import Engine
from harness.errors import DataError
from harness.observers.hooks import Observers, hookimpl
from harness.store.store import Store
from harness.testing.sums import Diamond


class Seen:
    """Keeps what observers are told: names of hooks and titles of stages, and errors."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.places: list[tuple[int, int]] = []

    def named(self, event: str) -> list[str]:
        return [title for name, title in self.events if name == event]

    @hookimpl
    def stage_started(self, stage: Any) -> None:
        self.events.append(("started", stage.title))
        self.places.append((stage.number, stage.of))

    @hookimpl
    def stage_finished(self, stage: Any) -> None:
        self.events.append(("finished", stage.title))

    @hookimpl
    def stage_failed(self, stage: Any) -> None:
        self.events.append(("failed", stage.title))

    @hookimpl
    def stage_damaged(self, stage: Any) -> None:
        self.events.append(("damaged", stage.title))


def payloads(store: Store) -> dict[str, bytes]:
    root = store.root / "artifacts"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("sum.json")}


def nothing_half_built(store: Store) -> bool:
    return not list((store.root / "building").iterdir()) and not list(store.root.rglob("half.json"))


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "content": lambda folder: (folder / "sum.json").write_text("9" * len((folder / "sum.json").read_text())),
    "file": lambda folder: (folder / "sum.json").unlink(),
    "manifest": lambda folder: (folder / "artifact.json").write_text("null"),
    "folder": shutil.rmtree,
}


class EngineContract:
    """What every engine does.

    A subclass says how one is made::

    class TestMyEngine(EngineContract):
        def make(self, store):
            return MyEngine(store)
    """

    slow_to_start: ClassVar[bool] = False
    """Whether starting the engine takes so long that fewer orders are tried."""

    def make(self, store: Store) -> Engine:
        """The engine over a store."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """An empty store."""
        return Store(tmp_path / "store")

    @pytest.fixture
    def engine(self, store: Store) -> Engine:
        """The engine over it."""
        return self.make(store)

    @pytest.fixture
    def diamond(self) -> Diamond:
        """Five stages."""
        return Diamond()

    @pytest.fixture
    def fault(self) -> DataError:
        """An error of a component."""
        return DataError("It does not add up.", hint="Use another number.")

    @pytest.fixture
    def seen(self) -> Seen:
        """What observers are told."""
        return Seen()

    @pytest.fixture
    def observers(self, seen: Seen) -> Observers:
        """Observers that may not fail."""

        def complain(line: str) -> None:
            raise AssertionError(line)

        return Observers([seen], complain)

    def test_each_target_once_with_what_it_rests_on(
        self, engine: Engine, store: Store, observers: Observers, diamond: Any, seen: Any
    ) -> None:
        finished = list(engine.compute(diamond["dbdeb"], observers))
        assert sorted(item.target.title for item in finished) == ["b", "d", "e"]
        assert [item.error for item in finished] == [None] * 3
        assert sorted(seen.named("finished")) == ["a", "b", "c", "d", "e"]
        assert seen.places == [(number, 5) for number in range(1, 6)]
        (d,) = diamond["d"]
        assert store.open(d.kind, d.id).json("sum.json") == 1112
        seen.events.clear()
        assert len(list(engine.compute(diamond["dbdeb"], observers))) == 3
        assert seen.events == []

    def test_a_target_is_in_the_store_when_it_is_yielded(
        self, engine: Engine, store: Store, observers: Observers, diamond: Any
    ) -> None:
        for finished in engine.compute(diamond["abcde"], observers):
            store.open(finished.target.kind, finished.target.id)

    def test_bytes_do_not_depend_on_the_order(
        self, observers: Observers, diamond: Any, tmp_path: Path, engine: Engine
    ) -> None:
        found = []
        orders = list(itertools.permutations("bcde"))
        if self.slow_to_start:
            orders = orders[::8]
        for position, order in enumerate(orders):
            store = Store(tmp_path / str(position))
            assert len(list(self.make(store).compute(diamond["".join(order)], observers))) == 4
            found.append(payloads(store))
        assert len(found[0]) == 5
        assert all(one == found[0] for one in found)

    @pytest.mark.parametrize("order", ["dbe", "ebd", "bde"])
    def test_a_failure_is_yielded_and_fails_only_what_rests_on_it(
        self, engine: Engine, store: Store, observers: Observers, diamond: Any, seen: Any, fault: DataError, order: str
    ) -> None:
        diamond.how["c"] = fault
        finished = {item.target.title: item.error for item in engine.compute(diamond[order], observers)}
        assert finished.keys() == {"b", "d", "e"}
        assert finished["b"] is None
        assert finished["e"] is None
        error = finished["d"]
        assert error is not None
        assert (error.stage.title, error.exit_code, error.hint) == ("c", 2, "Use another number.")
        assert error.message == "c: It does not add up."
        assert "raise self.how[self.title]" in error.trace
        assert seen.named("failed") == ["c"]
        assert nothing_half_built(store)
        del diamond.how["c"]
        assert [item.error for item in engine.compute(diamond["d"], observers)] == [None]  # what was repaired goes on

    @pytest.mark.parametrize("cause", [ZeroDivisionError("division by zero"), SystemExit("enough")])
    def test_a_fault_of_a_component_does_not_end_the_engine(
        self, engine: Engine, observers: Observers, diamond: Any, cause: BaseException
    ) -> None:
        diamond.how["a"] = cause
        finished = {item.target.title: item.error for item in engine.compute(diamond["cbe"], observers)}
        assert str(finished["b"]) == str(finished["c"])
        assert f"a: {type(cause).__name__}: {cause}\nThis is a fault in the component" in str(finished["b"])
        assert finished["e"] is None

    def test_an_interrupt_ends_it_and_leaves_nothing_half_built(
        self, engine: Engine, store: Store, observers: Observers, diamond: Any, seen: Any
    ) -> None:
        diamond.how["c"] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            list(engine.compute(diamond["d"], observers))
        assert nothing_half_built(store)
        assert sorted(seen.named("finished")) in (["a"], ["a", "b"])
        diamond.how.clear()
        assert [item.error for item in engine.compute(diamond["d"], observers)] == [None]
        assert sorted(seen.named("finished")) == ["a", "b", "c", "d"]

    def test_who_stops_iterating_ends_it(
        self, engine: Engine, store: Store, observers: Observers, diamond: Any, seen: Any
    ) -> None:
        work = engine.compute(diamond["ae"], observers)
        first = next(work)
        work.close()  # type: ignore[attr-defined]  # an iterator that is a generator
        assert nothing_half_built(store)
        assert first.target.title in seen.named("finished")
        assert len(list(engine.compute(diamond["ae"], observers))) == 2

    @pytest.mark.parametrize(
        ("damage", "warm"),
        [(damage, warm) for damage in DAMAGES for warm in (True, False) if (damage, warm) != ("content", True)],
    )
    @pytest.mark.parametrize("title", ["a", "b", "d"])
    def test_damage_is_said_once_and_repaired(
        self,
        engine: Engine,
        store: Store,
        observers: Observers,
        diamond: Any,
        seen: Any,
        damage: str,
        title: str,
        warm: bool,
    ) -> None:
        """``warm``: the process that meets it has verified the artifact before; it then looks at sizes only."""
        list(engine.compute(diamond["d"], observers))
        whole = payloads(store)
        (stage,), (d,) = diamond[title], diamond["d"]
        DAMAGES[damage](store.folder(stage.kind, stage.id))
        if title != "d":  # so that the damaged one is needed
            for reader in diamond["bd" if title == "a" else "d"]:
                shutil.rmtree(store.folder(reader.kind, reader.id))
        if not warm:
            engine = self.make(Store(store.root))
        seen.events.clear()
        assert [item.error for item in engine.compute([d], observers)] == [None]
        assert payloads(store) == whole
        assert seen.named("damaged") == ([] if damage == "folder" else [title])

    def test_damage_whose_repair_fails_is_said_once(
        self, engine: Engine, store: Store, observers: Observers, diamond: Any, seen: Any, fault: DataError
    ) -> None:
        list(engine.compute(diamond["a"], observers))
        DAMAGES["content"](store.folder("sum", diamond["a"][0].id))
        diamond.how["a"] = fault
        finished = list(self.make(Store(store.root)).compute(diamond["bcd"], observers))
        assert {str(item.error) for item in finished} == {"a: It does not add up.\nUse another number."}
        assert seen.named("damaged") == ["a"]

    def test_costs_outlive_the_artifact_they_were_spent_on(
        self, engine: Engine, store: Store, observers: Observers, diamond: Any
    ) -> None:
        from harness.engines.facts import facts_of

        (d,) = diamond["d"]
        list(engine.compute([d], observers))
        before = facts_of(d, Store(store.root))
        assert len(before) == 4
        assert all(facts["usage"] == {"requests": 1} for facts in before.values())
        for stage in diamond["abc"]:
            shutil.rmtree(store.folder(stage.kind, stage.id))
        assert facts_of(d, Store(store.root)) == before
