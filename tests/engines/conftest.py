"""Stages, what observers are told, and an empty store."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import DataError
from harness.store.store import Store
from harness.testing.engines import Seen
from harness.testing.sums import Diamond


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
