"""Progress that a component reports without knowing who listens.

A component opens a bar around its loop; inside ``harness run`` it shows up in the terminal and with every observer, and
elsewhere (a notebook, a test) it costs nothing::

    with progress("iterations", total=2000) as bar:
        for _ in range(2000):
            ...
            bar.advance()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Bar(Protocol):
    """One running count of work done."""

    def advance(self, amount: float = 1, **notes: float | str) -> None:
        """Count ``amount`` more units as done; ``notes`` are shown beside the count (``queries=1200``)."""


class Reporter(Protocol):
    """Something that shows bars; an engine installs one with :func:`reporting`."""

    def open(self, unit: str, total: float | None) -> Bar:
        """Start a bar counting ``unit`` up to ``total`` (unknown when ``None``)."""

    def close(self, bar: Bar) -> None:
        """End a bar that :meth:`open` returned."""


class _Silent:
    def advance(self, amount: float = 1, **notes: float | str) -> None:
        return None


_reporter: ContextVar[Reporter | None] = ContextVar("harness_progress", default=None)


@contextmanager
def progress(unit: str, *, total: float | None = None) -> Iterator[Bar]:
    """A bar that counts ``unit`` (a plural noun: ``"queries"``) up to ``total``."""
    reporter = _reporter.get()
    if reporter is None:
        yield _Silent()
        return
    bar = reporter.open(unit, total)
    try:
        yield bar
    finally:
        reporter.close(bar)


@contextmanager
def reporting(reporter: Reporter) -> Iterator[None]:
    """Send every bar opened in this context to ``reporter``."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)
