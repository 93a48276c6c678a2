"""Texts that plugins return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.border.numbers import described, fault

if TYPE_CHECKING:
    from harness.registry import Entry


def string(entry: Entry, value: Any, what: str) -> str:
    """A string, which may be empty.

    Raises:
        HarnessError: It is none.
    """
    if not isinstance(value, str):
        raise fault(entry, f"gave {what} as {described(value)}; expected a string")
    return value


def parts(entry: Entry, value: Any, what: str, *, paired: bool) -> tuple[str, ...]:
    """The one or two strings of a text or pair.

    Args:
        entry: The component that returned it.
        value: What it returned.
        what: What the text is: ``"the perturbed text of test example 'test/3'"``.
        paired: Whether inputs of the task are pairs.

    Raises:
        HarnessError: A single text for a pair, a pair for a single text, or something that is no text.
    """
    if not paired:
        if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, str) for part in value):
            raise fault(entry, f"gave {what} as a pair; the task has single texts")
        return (string(entry, value, what),)
    if isinstance(value, str):
        raise fault(entry, f"gave {what} as a single text; the task has pairs")
    if not (isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, str) for part in value)):
        raise fault(entry, f"gave {what} as {described(value)}; expected a tuple of two strings")
    return value
