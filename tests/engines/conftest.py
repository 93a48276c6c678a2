"""Stages that do sums: quick, with a payload that depends on all they rest on, and failing when told to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.errors import DataError
from harness.observers.hooks import hookimpl
from harness.stages.base import Context, Inputs, Stage
from harness.stages.contents.base import Content
from harness.store.store import Store


@dataclass(frozen=True)
class Total(Content):
    """A number, which fails half written when ``how`` has an exception under its title."""

    number: int
    title: str = ""
    how: dict[str, BaseException] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        (folder / "half.json").write_text("{", encoding="utf-8")
        if self.title in self.how:
            raise self.how[self.title]
        (folder / "sum.json").write_text(json.dumps(self.number), encoding="utf-8")
        (folder / "half.json").unlink()

    @classmethod
    def read(cls, folder: Path) -> Total:
        return cls(json.loads((folder / "sum.json").read_text(encoding="utf-8")))


@dataclass(frozen=True, eq=False)
class Sum(Stage[Total]):
    """Its own number and the sums of its inputs."""

    kind: ClassVar[str] = "sum"
    gives: ClassVar = Total

    number: int
    of: tuple[Sum, ...] = ()
    how: dict[str, BaseException] = field(default_factory=dict)
    """An exception under its title makes it fail with it; no part of its identity."""

    def options(self) -> dict[str, Any]:
        return {"number": self.number}

    def inputs(self) -> dict[str, Stage[Any]]:
        return {str(position): stage for position, stage in enumerate(self.of)}

    def compute(self, inputs: Inputs, context: Context) -> Total:
        context.facts["usage"] = {"requests": 1}
        total = self.number + sum(inputs[stage].number for stage in self.of)
        return Total(total, self.title, self.how)


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


@dataclass
class Diamond:
    """``a`` under ``b`` and ``c``, ``d`` over both, ``e`` alone; ``how`` says which fail."""

    how: dict[str, BaseException] = field(default_factory=dict)

    def __post_init__(self) -> None:
        a = Sum("a", 1, (), self.how)
        b, c = Sum("b", 10, (a,), self.how), Sum("c", 100, (a,), self.how)
        self.stages = {"a": a, "b": b, "c": c, "d": Sum("d", 1000, (b, c), self.how), "e": Sum("e", 5, (), self.how)}

    def __getitem__(self, titles: str) -> list[Sum]:
        return [self.stages[title] for title in titles]


@pytest.fixture
def diamond() -> Diamond:
    return Diamond()


@pytest.fixture
def fault() -> DataError:
    return DataError("It does not add up.", hint="Use another number.")


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
