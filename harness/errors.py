"""Errors that reach a user.

Every error the harness raises on purpose is a :class:`HarnessError`: one message that says what is wrong and where, and
an optional hint that says what to do. The command line prints the two and exits with ``exit_code``; it never prints a
traceback for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class HarnessError(Exception):
    """A failure while running, with a message fit for a user.

    Args:
        message: What is wrong, and where.
        hint: What to do about it (a command, a key to change), if known.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its attributes, whatever the constructor of a subclass takes. The cause stays behind."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[HarnessError], arguments: tuple[Any, ...], attributes: Mapping[str, Any]) -> HarnessError:
    """An error as it was when it was pickled."""
    error = cls.__new__(cls, *arguments)
    error.__dict__.update(attributes)
    return error


class InputError(HarnessError):
    """Something the user gave is wrong; nothing was computed because of it."""

    exit_code = 2


class ComponentError(InputError):
    """A component is unknown, ambiguous, broken, written for another API version, or has invalid options."""


class DataError(InputError):
    """A data set, file or array does not have the shape, columns or values that are needed."""


class StoreError(InputError):
    """The artifact store, or another folder for results, cannot be read or written."""


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """The names in ``known`` closest to ``name``, best first; empty when none is close.

    >>> nearest("dvlr", ["dvrl", "random", "loo"])
    ['dvrl']
    """
    import difflib

    candidates: Sequence[str] = sorted(set(known))
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    close = difflib.get_close_matches(name.casefold(), folded, n=limit, cutoff=0.6)
    return [folded[match] for match in close]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence naming the nearest known names, or all of them when none is near.

    >>> did_you_mean("dvlr", ["dvrl", "random"])
    "Did you mean 'dvrl'?"
    >>> did_you_mean("zzz", ["dvrl", "random"])
    'Known: dvrl, random.'
    """
    names = sorted(set(known))
    close = nearest(name, names)
    if close:
        return "Did you mean " + " or ".join(repr(match) for match in close) + "?"
    return f"Known: {', '.join(names)}." if names else "None is known."
