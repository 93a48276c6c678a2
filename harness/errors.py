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


LONGEST_NAME = 1000
"""Characters from which on a text is not taken for a misspelt name."""


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """The names in ``known`` closest to ``name``, best first; empty when none is close.

    >>> nearest("dvlr", ["dvrl", "random", "loo"])
    ['dvrl']
    """
    if len(name) > LONGEST_NAME:
        return []
    import difflib

    from rapidfuzz import fuzz, process

    candidates: Sequence[str] = sorted(set(known))
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    # difflib's ratio is never above that of the longest common subsequence, which is found a hundred times faster.
    likely = process.extract(name.casefold(), list(folded), scorer=fuzz.ratio, score_cutoff=59.9, limit=50)
    close = difflib.get_close_matches(name.casefold(), [match for match, _, _ in likely], n=limit, cutoff=0.6)
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
    return f"Known: {listed(names)}." if names else "None is known."


def listed(names: Sequence[str], *, most: int = 50) -> str:
    """Names in a sentence: all of them, or the first ``most`` and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
