"""Engines by name, what they refuse, and what a run would take."""

from __future__ import annotations

import pytest

from harness.engines import LocalEngine, ProcessEngine, chosen
from harness.engines.forecast import forecast
from harness.errors import InputError
from harness.observers.hooks import Observers
from harness.store.store import Store
from harness.testing.sums import Diamond


@pytest.mark.parametrize(
    ("jobs", "engine", "cls"),
    [(1, None, LocalEngine), (2, None, ProcessEngine), (1, "processes", ProcessEngine)],
)
def test_engines_are_chosen(store: Store, jobs: int | None, engine: str | None, cls: type) -> None:
    assert isinstance(chosen(jobs, engine=engine)(store), cls)


@pytest.mark.parametrize(
    ("engine", "address", "said"),
    [("rya", None, "No engine is called 'rya'. Did you mean 'ray'?"), ("local", "a:1", "takes no address")],
)
def test_an_engine_that_cannot_be_is_one_message(engine: str, address: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        chosen(engine=engine, address=address)
    assert error.value.exit_code == 2


def test_a_forecast_knows_the_longest_chain_and_what_like_stages_took(store: Store) -> None:
    diamond = Diamond()
    stages = diamond["abcde"]
    found = forecast(stages, store)
    assert found.resources == {"CPU": 5}
    assert found.kinds == {"sum": (5, None)}
    assert (len(found.path), found.path[0], found.path[-1]) == (3, "a", "d")
    assert (found.seconds, found.unknown) == (0, 5)
    (finished,) = LocalEngine(store).compute(diamond["a"], Observers([], print))
    assert finished.error is None
    seconds = store.meta("sum", finished.target.id)["seconds"]
    found = forecast(diamond["bcd"], store)
    assert found.seconds == pytest.approx(3 * seconds)
    assert found.path_seconds == pytest.approx(2 * seconds)
