"""Random typing noise, without looking at the classifier."""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness_attacks.single import VariantAttack, map_words

if TYPE_CHECKING:
    import random

    from harness.types import Texts
    from harness_attacks.trial import Trial

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def _keyboard() -> dict[str, str]:
    """The letters and digits beside each one on a QWERTY keyboard, where every row starts half a key further right."""
    place = {key: (x + y / 2, y) for y, row in enumerate(_ROWS) for x, key in enumerate(row)}
    return {
        key: "".join(
            other
            for other, (u, v) in place.items()
            if other != key and abs(u - x) <= 1 and abs(v - y) <= 1 and other.isalpha()
        )
        for key, (x, y) in place.items()
    }


KEYBOARD = _keyboard()


class CharSwap(VariantAttack):
    """Swaps neighbouring letters inside words at a given rate, whatever the classifier does.

    Measures sensitivity to noise rather than to an adversary. First and last letters stay, as in the "swap" noise of
    Belinkov and Bisk 2018, "Synthetic and Natural Noise Both Break Neural Machine Translation".
    """

    api_version: ClassVar[int] = 1

    rate: float = Field(default=0.1, ge=0, le=1)
    """Share of the words of at least four letters in which two neighbouring inner letters are swapped."""

    tries: int = Field(default=1, ge=1)
    """Independent noisy versions per example, each a query; the most harmful one is returned."""

    def variants(self, trial: Trial) -> Iterable[Texts]:
        """One noisy version per try."""
        draw = trial.random

        def change(word: str) -> str:
            if len(word) < 4 or draw.random() >= self.rate:
                return word
            i = draw.randrange(1, len(word) - 2)
            return word[:i] + word[i + 1] + word[i] + word[i + 2 :]

        for _ in range(self.tries):
            yield self.rewritten(trial.example.texts, lambda text: map_words(text, change))


class Typos(VariantAttack):
    """Typing errors at a given rate: neighbouring keys, left out, doubled and swapped letters.

    The kinds of error, equally frequent, are the common ones of typing studies; keys are those of a QWERTY keyboard. The
    classifier is not looked at.
    """

    api_version: ClassVar[int] = 1

    rate: float = Field(default=0.05, ge=0, le=1)
    """Probability of an error at each ASCII letter inside a word (not the first one)."""

    tries: int = Field(default=1, ge=1)
    """Independent noisy versions per example, each a query; the most harmful one is returned."""

    def variants(self, trial: Trial) -> Iterable[Texts]:
        """One noisy version per try."""
        for _ in range(self.tries):
            yield self.rewritten(
                trial.example.texts, lambda text: map_words(text, lambda word: _mistyped(word, self.rate, trial.random))
            )


def _mistyped(word: str, rate: float, draw: random.Random) -> str:
    letters = list(word)
    i = 1
    while i < len(letters):
        if letters[i] in string.ascii_letters and draw.random() < rate:
            kind = draw.choice(("neighbour", "leave out", "double", "swap"))
            if kind == "neighbour":
                near = draw.choice(KEYBOARD[letters[i].lower()])
                letters[i] = near.upper() if letters[i].isupper() else near
            elif kind == "leave out":
                letters[i] = ""
            elif kind == "double":
                letters[i] *= 2
            elif i + 1 < len(letters):
                letters[i], letters[i + 1] = letters[i + 1], letters[i]
                i += 1
        i += 1
    return "".join(letters)
