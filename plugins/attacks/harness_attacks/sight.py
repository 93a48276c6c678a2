"""How much of a long text a classifier sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.components import Encoding

if TYPE_CHECKING:
    from harness.components import Classifier
    from harness.types import Texts

LONG = 8192
"""Texts of fewer characters are tokenised whole; it does not take long."""


class Sight:
    """The start of a text that decides its token sequence, where the classifier cuts long texts.

    Tokenising 100,000 characters thousands of times takes minutes, although a classifier looks at the first few hundred
    words. Once the start of a text fills the classifier's maximum, what follows cannot matter; whether it does is checked
    for each text, so that results are those of tokenising it whole.

    Args:
        victim: The classifier.
        text: The text or pair under attack; of pairs nothing is known, because one text's cut depends on the other.
    """

    def __init__(self, victim: Classifier, text: Texts) -> None:
        self._characters = 0
        self._tokens = 0
        if not isinstance(text, str) or len(text) < LONG:
            return
        whole = victim.encode([text])[0]
        if not isinstance(
            whole, Encoding
        ):  # features of a whole text can be those of its start, and yet see what comes after
            return
        size = 1024
        while 4 * size < len(text):
            start = _start(text, size)
            if victim.encode([start, f"{start} a"]) == [
                whole,
                whole,
            ]:  # the start gives all tokens, and there is no room for more
                self._characters, self._tokens = 2 * size, len(whole.input_ids)
                return
            size *= 2

    def start(self, text: Texts) -> Texts:
        """As much of a variant of the text as it probably takes."""
        if not self._characters or not isinstance(text, str):
            return text
        return _start(text, self._characters)

    def enough(self, encoding: Any) -> bool:
        """Whether a start that was encoded so fills the classifier's maximum."""
        return not self._tokens or len(encoding.input_ids) >= self._tokens


def _start(text: str, size: int) -> str:
    """The first ``size`` characters, and on to the end of the word."""
    end = size
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[:end]
