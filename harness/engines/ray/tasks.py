"""What runs on the workers of a cluster: one stage, and the box for what workers tell. Imports no Ray."""

from __future__ import annotations

import logging
import platform
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from harness.engines.ray.code import differences, installed_code
from harness.engines.threads import computing_with
from harness.engines.workers import computed_from
from harness.observers.hooks import StageInfo
from harness.quiet import logged_by
from harness.store.store import Store

PATIENCE = 10.0
"""Seconds that a worker looks for the driver's mark in the store: network file systems show new files late."""


STOPPED = "stopped"
"""What a task returns that was interrupted."""


@dataclass(frozen=True)
class Terms:
    """What a worker has to know besides the stage.

    Attributes:
        store: Where inputs are and artifacts go.
        threads: Number of threads that a stage is computed with.
        code: What the driver would compute with (:func:`harness.engines.ray.code.installed_code`).
        mark: The name of the driver's mark in the store.
    """

    store: Store
    threads: int
    code: Mapping[str, str]
    mark: str
    path: tuple[str, ...] = ()
    """Where the driver finds modules, besides where the worker does."""


@dataclass(frozen=True)
class Refused:
    """Why a worker computes nothing for this driver."""

    reason: str
    hint: str


class Box:
    """Keeps what workers tell until the driver asks for it."""

    def __init__(self) -> None:
        self._messages: list[Any] = []

    def put(self, message: Any) -> None:
        """Add a message."""
        self._messages.append(message)

    def take(self) -> list[Any]:
        """All messages since the last call."""
        taken, self._messages = self._messages, []
        return taken


_accepted: set[str] = set()
"""Marks of drivers that this process may compute for."""


def compute_task(seen: StageInfo, payload: bytes, terms: Terms, put: Callable[[Any], Callable[[], None]]) -> Any:
    """Compute a pickled stage.

    Args:
        seen: The stage, as observers see it.
        payload: The stage, pickled.
        terms: What else has to be known.
        put: Sends a message; what it returns waits for its arrival.

    Returns:
        :data:`STOPPED`, a :class:`Refused`, or what :func:`harness.engines.workers.computed_from` returns.
    """
    if terms.mark not in _accepted:
        if refused := _refused(terms):
            return refused
        sys.path.extend(place for place in terms.path if place not in sys.path)
        _accepted.add(terms.mark)
    lock, last = threading.Lock(), [lambda: None]

    def tell(kind: str, content: Any) -> None:
        with lock:
            last[0] = put((kind, content))

    def report(hook: str, stage: StageInfo, **arguments: Any) -> None:
        tell("report", (hook, stage, arguments))

    found: Any = STOPPED
    with logged_by(_Sent(tell)), computing_with(terms.threads), suppress(KeyboardInterrupt):
        found = computed_from(seen, payload, terms.store, report)
    with suppress(Exception):  # the box may be started anew
        last[0]()  # so that the driver hears all that was told before it hears that the stage is done
    return found


def _refused(terms: Terms) -> Refused | None:
    where = f"A worker on {platform.node()}"
    if unlike := differences(terms.code, installed_code()):
        return Refused(
            f"{where} has other code than this process: {'; '.join(unlike)}.",
            "Results would differ. Install the same versions of the harness, its plugins and libraries everywhere.",
        )
    end = time.monotonic() + PATIENCE
    while not terms.store.marked(terms.mark):
        if time.monotonic() > end:
            return Refused(
                f"{where} does not see the store {terms.store}.",
                "All machines have to reach the same store: name a shared folder with --store.",
            )
        time.sleep(0.2)
    return None


class _Sent(logging.Handler):
    """Sends what is logged to the driver, whose log it goes to."""

    def __init__(self, tell: Callable[[str, Any], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):
            self._tell("log", (record.name, record.levelno, self.format(record)))
