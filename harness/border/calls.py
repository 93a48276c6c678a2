"""Calls of plugins: whatever they raise becomes one message that names them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any, TypeVar

from harness.disk import disk_full
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.registry import Entry

T = TypeVar("T")

_END: Any = object()


@contextmanager
def calling(entry: Entry) -> Iterator[None]:
    """The faults of a component as errors that name it. Ctrl-C passes, and so does a full disk, which is nobody's fault.

    Args:
        entry: The component that is called in this context.

    Raises:
        HarnessError: What the component raised itself if it is one; else a message, with the original as its cause.
    """
    try:
        yield
    except HarnessError:
        raise
    except SystemExit as error:
        raise HarnessError(
            f"The {entry.kind} {entry.key} tried to end the process: SystemExit: {error}",
            hint=f"This is a fault in the {entry.kind}, which must raise an error instead; the log has the traceback.",
        ) from error
    except Exception as error:
        if disk_full(error):
            raise
        if writes(error):
            raise HarnessError(
                f"The {entry.kind} {entry.key} writes to what it was given, which is read-only: {error}",
                hint=f"This is a fault in the {entry.kind}: other components are given the same arrays, so it has to copy "
                "what it changes. The log has the traceback.",
            ) from error
        raise HarnessError(
            f"The {entry.kind} {entry.key} failed: {type(error).__name__}: {error}",
            hint=f"This is a fault in the {entry.kind} or in what it calls; the log has the traceback.",
        ) from error


def drawn(entry: Entry, start: Callable[[], Iterable[T]]) -> Generator[T, None, None]:
    """The items of an iterator of a component, its faults as errors that name it; closed when the caller stops.

    Args:
        entry: The component.
        start: Starts the iterator.
    """
    with calling(entry):
        items = iter(start())
    try:
        while True:
            with calling(entry):
                item = next(items, _END)
            if item is _END:
                return
            yield item
    finally:
        if (close := getattr(items, "close", None)) is not None:
            with calling(entry):
                close()


def writes(error: Exception) -> bool:
    """Whether an error says that something read-only was written to: an array, or a field of a frozen dataclass."""
    return isinstance(error, FrozenInstanceError) or (isinstance(error, ValueError) and "read-only" in str(error))
