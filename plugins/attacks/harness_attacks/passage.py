"""A text or pair under attack, seen as a sequence of words.

The division into words is the one of TextAttack 0.3.11: a word is a maximal run of letters, digits and a few marks, less
leading and trailing marks. Word numbers run through both texts of a pair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from math import ceil, floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.types import Texts

MARKS = "'-_*@"
"""Characters that may stand inside a word but not at its ends."""

# Besides \w, TextAttack admits some look-alikes of ASCII characters; these three of them are not in \w already.
_RUN = re.compile(r"[\w˗`×'\-*@]+")
_HAN = re.compile("[\u4e00-\u9fff]")


def words_of(text: str) -> list[str]:
    """The words of a text, in order.

    >>> words_of("It's 'great', isn't it? (no-one)")
    ["It's", 'great', "isn't", 'it', 'no-one']
    """
    segment = _segmenter() if _HAN.search(text) else None
    if segment is not None:
        text = " ".join(segment(text))
    return [word for run in _RUN.findall(text) if (word := run.strip(MARKS))]


@cache
def _segmenter() -> Callable[[str], Iterable[str]] | None:
    """Chinese word segmentation where ``jieba`` is installed; without it a run of ideographs is one word."""
    import logging
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import jieba  # type: ignore[import-untyped,unused-ignore]

            jieba.setLogLevel(logging.WARNING)
            jieba.initialize()
    except ImportError:
        logging.getLogger(__name__).warning(
            "Chinese text is attacked without segmentation into words; for TextAttack's results install jieba:"
            " pip install 'bliss-harness-attacks[chinese]'"
        )
        return None
    cut: Callable[[str], Iterable[str]] = jieba.cut
    return cut


class Passage:
    """The current state of a text under attack: its words, where they are, and which of them were changed.

    Args:
        parts: The text, or the two texts of a pair.
        modified: Numbers of the words that were changed so far.

    Attributes:
        parts: As given.
        words: All words, those of the first text first.
        modified: As given.
    """

    __slots__ = ("_spans", "modified", "parts", "words")

    def __init__(self, parts: tuple[str, ...], modified: frozenset[int] = frozenset()) -> None:
        self.parts = parts
        self.modified = modified
        self.words: list[str] = []
        self._spans: list[tuple[int, int, int]] = []
        if any(_HAN.search(part) for part in parts) and _segmenter() is not None:
            self._locate(words_of("\n".join(parts)))
            return
        for number, part in enumerate(parts):
            for run in _RUN.finditer(part):
                found = run.group()
                word = found.strip(MARKS)
                if word:
                    start = run.start() + len(found) - len(found.lstrip(MARKS))
                    self.words.append(word)
                    self._spans.append((number, start, start + len(word)))

    @classmethod
    def of(cls, texts: Texts) -> Passage:
        """The unmodified passage of an example's text or pair."""
        return cls((texts,) if isinstance(texts, str) else tuple(texts))

    def _locate(self, words: Sequence[str]) -> None:
        number, position = 0, 0
        for word in words:
            while (start := self.parts[number].find(word, position)) < 0:
                number, position = number + 1, 0
            position = start + len(word)
            self.words.append(word)
            self._spans.append((number, start, position))

    @property
    def texts(self) -> Texts:
        """The text or pair as a classifier takes it."""
        return self.parts[0] if len(self.parts) == 1 else (self.parts[0], self.parts[1])

    @property
    def joined(self) -> str:
        """All texts in one string, by which candidates are compared and sorted."""
        return "\n".join(self.parts)

    def part_of(self, index: int) -> int:
        """In which text word ``index`` is: 0 or 1."""
        return self._spans[index][0]

    def span(self, index: int) -> tuple[int, int]:
        """Start and end of word ``index`` in its text."""
        return self._spans[index][1:]

    def window(self, index: int, size: int) -> tuple[int, int]:
        """Where the ``size`` words around word ``index`` start and end in :attr:`joined`.

        Near the edges the window is not centred: it stays within the text.
        """
        count, half = len(self.words), (size - 1) / 2
        if index - half < 0:
            first, last = 0, min(size - 1, count - 1)
        elif index + half >= count:
            first, last = max(0, count - size), count - 1
        else:
            first, last = index - ceil(half), index + floor(half)
        return self._joined(first)[0], self._joined(last)[1]

    def _joined(self, index: int) -> tuple[int, int]:
        number, start, end = self._spans[index]
        offset = len(self.parts[0]) + 1 if number else 0
        return offset + start, offset + end

    def replace(self, index: int, word: str) -> tuple[str, ...]:
        """The texts with ``word`` (one or more words) in place of word ``index``."""
        number, start, end = self._spans[index]
        part = self.parts[number]
        return (*self.parts[:number], part[:start] + word + part[end:], *self.parts[number + 1 :])

    def delete(self, index: int) -> tuple[str, ...]:
        """The texts without word ``index`` and, if there is one, without the space before it (after the first word)."""
        number, start, end = self._spans[index]
        part = self.parts[number]
        before, after = part[:start], part[end:]
        if after or number + 1 < len(self.parts):
            if index == 0:
                after = after.removeprefix(" ")
            else:
                before = before.removesuffix(" ")
        return (*self.parts[:number], before + after, *self.parts[number + 1 :])

    def changed(self, index: int, word: str) -> Passage:
        """The passage after replacing word ``index`` by ``word``; words beyond it may get new numbers."""
        grown = len(words_of(word)) - len(words_of(self.words[index]))
        modified: Iterable[int] = self.modified
        if grown:
            modified = (m if m < index else m + grown for m in modified if m != index)
        first = index
        if any(_HAN.search(part) for part in self.parts):  # a word may be segmented differently on its own
            first = sum(len(words_of(other)) for other in self.words[:index])
        new = range(first, first + len(words_of(word)))
        return Passage(self.replace(index, word), frozenset(modified).union(new))
