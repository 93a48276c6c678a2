"""What two texts have to share to be the same one, and what no file can hold."""

from __future__ import annotations

import re
from typing import overload
from unicodedata import is_normalized, normalize

from harness.types import Texts

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")


@overload
def canonical(texts: str) -> str: ...
@overload
def canonical(texts: tuple[str, str]) -> tuple[str, str]: ...
@overload
def canonical(texts: Texts) -> Texts: ...
def canonical(texts: Texts) -> Texts:
    r"""A text or pair in Unicode's normalization form C, in which canonically equivalent strings are equal (UAX 15).

    For comparing only: a classifier sees texts as they were given.

    >>> canonical("cafe\u0301") == canonical("caf\u00e9")
    True
    """
    if not isinstance(texts, str):
        return (canonical(texts[0]), canonical(texts[1]))
    return texts if is_normalized("NFC", texts) else normalize("NFC", texts)


def lone_surrogate(text: str) -> str:
    r"""The first lone surrogate of a string, as ``"U+D83D"``; empty when there is none.

    It is half of a character, left by a cut through an emoji or by an escape such as ``"\ud83d"`` alone. Python's strings
    can hold it, but Unicode has no encoding for it: no file, no server and no tokenizer takes it.
    """
    found = None if text.isascii() else _SURROGATE.search(text)
    return f"U+{ord(found[0]):04X}" if found else ""


def is_text(text: str) -> bool:
    """Whether a string is text through and through: no lone surrogates, no control characters but white space."""
    return not lone_surrogate(text) and _CONTROL.search(text) is None


def writable(text: str) -> str:
    """The text with U+FFFD in the place of every lone surrogate: for showing what was refused because of one."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def abridged(value: object, limit: int = 60) -> str:
    """A value as messages show it: its ``repr``, of which at most ``limit`` characters.

    >>> abridged("spam")
    "'spam'"
    >>> abridged("x" * 100_000, 10)
    "'xxxxxxxxx... (100,000 characters)"
    """
    if isinstance(value, str):
        whole = repr(value[: limit + 1])
        return whole if len(value) <= limit else f"{whole[:limit]}... ({len(value):,} characters)"
    try:
        whole = repr(value)
    except (RecursionError, ValueError):  # nested too deep; an integer of more digits than Python shows
        return f"a {type(value).__name__}"
    return whole if len(whole) <= limit else f"{whole[:limit]}..."
