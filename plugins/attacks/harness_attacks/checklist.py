"""Changes that must not change the prediction (Ribeiro, Wu, Guestrin and Singh, 2020)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness_attacks.single import VariantAttack

if TYPE_CHECKING:
    import random

    from harness.types import Texts
    from harness_attacks.trial import Trial

_WOMEN = "Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Nancy Lisa Betty Sandra Ashley Emily Donna"
_MEN = "James Robert John Michael David William Richard Joseph Thomas Daniel Matthew Anthony Donald Steven Paul Andrew Kevin"
_SURNAMES = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Wilson Anderson Taylor Moore Jackson Lee"
)
_CITIES = (
    "London Paris Berlin Madrid Rome Vienna Chicago Boston Seattle Houston Dallas Denver Toronto Sydney Tokyo Delhi"
)

_NAMES = [tuple(group.split()) for group in (_WOMEN, _MEN, _SURNAMES, _CITIES)]

_EXPANDED = {
    "are": "aren't",
    "could": "couldn't",
    "did": "didn't",
    "does": "doesn't",
    "do": "don't",
    "had": "hadn't",
    "has": "hasn't",
    "have": "haven't",
    "is": "isn't",
    "should": "shouldn't",
    "was": "wasn't",
    "were": "weren't",
    "would": "wouldn't",
}
_CONTRACTIONS = {f"{verb} not": short for verb, short in _EXPANDED.items()} | {
    "cannot": "can't",
    "will not": "won't",
    "i am": "i'm",
    **{f"{pronoun} are": f"{pronoun}'re" for pronoun in ("you", "we", "they")},
    **{f"{pronoun} will": f"{pronoun}'ll" for pronoun in ("i", "you", "he", "she", "it", "we", "they")},
    **{f"{pronoun} have": f"{pronoun}'ve" for pronoun in ("i", "you", "we", "they")},
    "it is": "it's",
    "that is": "that's",
}
_EXPANSIONS = {short: long for long, short in _CONTRACTIONS.items()}

Change = Literal["names", "numbers", "contractions"]


class CheckList(VariantAttack):
    """Invariance tests: other names, places and numbers, and contractions written out or drawn together.

    A prediction that such a change turns is wrong on one side. After the invariance tests of CheckList (Ribeiro et al.
    2020), with lists of names instead of a name recogniser: only listed names are replaced.

    Source: "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", ACL 2020.
    """

    api_version: ClassVar[int] = 1

    changes: tuple[Change, ...] = Field(default=("names", "numbers", "contractions"), min_length=1)
    """Which kinds of change to try; they are not combined."""

    tries: int = Field(default=5, ge=1)
    """Versions with other names, and with other numbers, per example; each is a query."""

    def variants(self, trial: Trial) -> Iterable[Texts]:
        """Versions with other names, then other numbers, then other contractions."""
        texts, draw = trial.example.texts, trial.random
        for _ in range(self.tries) if "names" in self.changes else ():
            mapping = {name: draw.choice(group) for group in _NAMES for name in group}
            yield self.rewritten(texts, lambda text, mapping=mapping: _renamed(text, mapping))  # type: ignore[misc]
        for _ in range(self.tries) if "numbers" in self.changes else ():
            yield self.rewritten(texts, lambda text: _renumbered(text, draw))
        if "contractions" in self.changes:
            for table in (_CONTRACTIONS, _EXPANSIONS):
                yield self.rewritten(texts, lambda text, table=table: _replaced(text, table))  # type: ignore[misc]


_NAME = re.compile(r"\b(" + "|".join(name for group in _NAMES for name in group) + r")\b")
_NUMBER = re.compile(r"(?<![\w.,])\d{1,9}(?![\w]|[.,]\d)")


def _renamed(text: str, mapping: dict[str, str]) -> str:
    return _NAME.sub(lambda match: mapping[match[0]], text)


def _renumbered(text: str, draw: random.Random) -> str:
    """Whole numbers above 2 become others with as many digits, at most a fifth away; years stay years."""

    def other(match: re.Match[str]) -> str:
        number = int(match[0])
        if number <= 2 or match[0].startswith("0"):
            return match[0]
        low, high = 10 ** (len(match[0]) - 1), 10 ** len(match[0]) - 1
        reach = max(1, number // 5 if len(match[0]) != 4 else 5)
        return str(draw.randint(max(low, number - reach, 3), min(high, number + reach)))

    return _NUMBER.sub(other, text)


def _replaced(text: str, table: dict[str, str]) -> str:
    pattern = re.compile(
        r"\b(" + "|".join(map(re.escape, sorted(table, key=len, reverse=True))) + r")\b", re.IGNORECASE
    )

    def change(match: re.Match[str]) -> str:
        new = table[match[0].lower()]
        return new[0].upper() + new[1:] if match[0][0].isupper() else new

    return pattern.sub(change, text)
