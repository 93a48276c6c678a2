"""The stages of these tests, what observers are told, and an empty store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError
from harness.observers.hooks import hookimpl
from harness.store.store import Store

sys.path.insert(0, str(Path(__file__).parent))  # where worker processes find the stages, too

from sums import Diamond


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
