"""Small helpers on texts and pairs of texts that the generators share."""

from __future__ import annotations

import re

from harness.components import Example
from harness.components.texts import canonical, writable
from harness.types import Texts

_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]|\s+")


def as_tuple(texts: Texts) -> tuple[str, ...]:
    """The columns of an input: one string, or two of a pair."""
    return (texts,) if isinstance(texts, str) else texts


def as_texts(columns: tuple[str, ...]) -> Texts:
    """The inverse of :func:`as_tuple`."""
    return columns[0] if len(columns) == 1 else (columns[0], columns[1])


def as_example(texts: Texts, label: int, *, tags: tuple[str, ...] = ()) -> Example:
    """A labelled example of a text or a pair."""
    columns = as_tuple(texts)
    return Example(columns[0], label, columns[1] if len(columns) > 1 else None, tags=tags)


def shown(texts: Texts) -> str:
    """One string that shows an input, for lists of rejected samples, with U+FFFD where no file can hold it."""
    return writable("\n".join(as_tuple(texts)))


def fold(texts: Texts) -> str:
    """What of an input counts when two are called the same: case, white space and the spelling in Unicode do not."""
    return "\x1f".join(" ".join(canonical(column).casefold().split()) for column in as_tuple(texts))


def tokens(text: str) -> list[str]:
    """Words, punctuation marks and stretches of white space; joined they give the text back."""
    return _TOKEN.findall(text)


def is_word(token: str) -> bool:
    """Whether a token is a word (and no punctuation mark or white space)."""
    return bool(token) and (token[0].isalnum() or token[0] == "_")
