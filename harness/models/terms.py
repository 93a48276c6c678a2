"""Texts as words and characters: the terms that a linear classifier counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from harness.types import Texts

Span = tuple[int, int]
"""The shortest and the longest n-gram."""

_WORD = re.compile(r"\w+|[^\w\s]")


class Terms:
    """The terms of a text: n-grams of its words, and of the characters inside of its words; case is ignored.

    Signs of punctuation are words. The terms of a pair's two texts are told apart, and the words that both have are terms
    of a third kind.

    Args:
        words: Lengths of word n-grams; ``None`` for none.
        characters: Lengths of character n-grams, a word's start and end counted as one each; ``None`` for none.
    """

    def __init__(self, words: Span | None, characters: Span | None) -> None:
        self._words, self._characters = words, characters

    def __call__(self, text: Texts) -> list[str]:
        """All terms, those that occur several times so often. No text has the same term as a word and as characters."""
        if isinstance(text, str):
            return self._of(text)
        first, second = (_split(part) for part in text)
        both = [f"both {word}" for word in first if word in set(second)]
        parts = zip(("1 ", "2 "), text, strict=True)
        return [*(f"{which}{term}" for which, part in parts for term in self._of(part)), *both]

    def _of(self, text: str) -> list[str]:
        words, found = _split(text), []
        if self._words is not None:
            for n in range(self._words[0], self._words[1] + 1):
                found += [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
        if self._characters is not None:
            for word in words:
                found += _inside(word, *self._characters)
        return found


def _split(text: str) -> Sequence[str]:
    return _WORD.findall(text.lower())


@lru_cache(maxsize=1 << 16)
def _inside(word: str, shortest: int, longest: int) -> tuple[str, ...]:
    """Character n-grams of a word. Variants of one text share most of their words, so they are kept."""
    whole = f"<{word}>"
    return tuple(f"#{whole[i : i + n]}" for n in range(shortest, longest + 1) for i in range(len(whole) - n + 1))
