"""Errors are values: they reach another process as they were raised."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import harness
from harness.engines.base import StageError
from harness.errors import HarnessError
from harness.observers.common import MissingTrackerError
from harness.stages.load import Load
from harness.suite import Place, Problem, SuiteError

PACKAGES = ("harness", "harness_attacks", "harness_generators", "harness_metrics", "harness_valuators")


def load() -> Load:
    from harness.registry import registry
    from harness.stages.base import Configured

    entry = registry().find("dataset", "movie-reviews")
    return Load("load reviews · seed 0", "reviews", Configured(registry().create("dataset", entry.name), entry), {}, 0)  # type: ignore[arg-type]


OWN: dict[str, Callable[[], HarnessError]] = {
    "StageError": lambda: StageError.of(load(), ZeroDivisionError("nothing to divide by")),
    "SuiteError": lambda: SuiteError(
        [Problem(Place("a.yaml", 3, 1), ("arms", "x"), "is wrong.")], hint="Write it anew."
    ),
    "MissingTrackerError": lambda: MissingTrackerError("mlflow", "HARNESS_MLFLOW"),
}
"""Examples of errors that are not made of a message and a hint."""


def modules() -> Iterator[str]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if "__main__" not in module.name and ".testing." not in module.name:
                yield module.name


def all_errors() -> list[type[HarnessError]]:
    for name in modules():
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # of an extra that is not installed

    def below(cls: type[HarnessError]) -> Iterator[type[HarnessError]]:
        yield cls
        for inner in cls.__subclasses__():
            yield from below(inner)

    return [cls for cls in dict.fromkeys(below(HarnessError)) if cls.__module__.partition(".")[0] in PACKAGES]


def test_every_error_can_be_sent_to_another_process() -> None:
    found = all_errors()
    assert {"InputError", "SuiteError", "StageError", "DamagedArtifactError"} <= {cls.__name__ for cls in found}
    for cls in found:
        error: Any = OWN[cls.__name__]() if cls.__name__ in OWN else cls("It is wrong.", hint="Repair it.")
        error.exit_code = 7
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is cls
        assert str(again) == str(error)
        assert (again.message, again.hint, again.exit_code) == (error.message, error.hint, 7)
        assert vars(again).keys() == vars(error).keys()


def test_the_problems_of_a_suite_come_along() -> None:
    with pytest.raises(SuiteError) as raised:
        harness.suite.parse_suite("name: x\nsedes: [0]\n")
    again = pickle.loads(pickle.dumps(raised.value))
    assert again.problems == raised.value.problems
    assert "Did you mean 'seeds'?" in str(again)
