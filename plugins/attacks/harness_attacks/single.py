"""Attacks without a search: a list of variants is classified at once, and the most harmful one is the result."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from harness_attacks.base import QueryAttack
from harness_attacks.passage import Passage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.types import Texts
    from harness_attacks.trial import Steps, Trial


class VariantAttack(QueryAttack):
    """Classifies variants of an example and returns the one with the lowest ``p(label)``.

    The attack has succeeded if that one, or any other variant, is misclassified; misclassified ones come first.
    """

    columns: Literal["both", "first", "second"] = "both"
    """Which text of a pair may be modified."""

    @abstractmethod
    def variants(self, trial: Trial) -> Iterable[Texts]:
        """Texts or pairs to classify, in a fixed order."""

    def search(self, trial: Trial) -> Steps:
        """See the class."""
        original = trial.example.texts
        texts = [text for text in dict.fromkeys(self.variants(trial)) if text != original]
        rows = yield from trial.ask(texts)
        if rows:
            text, probs = max(
                zip(texts, rows, strict=False), key=lambda found: (trial.fooled(found[1]), trial.score(found[1]))
            )
            if trial.score(probs) > trial.score(trial.original_probs) or trial.fooled(probs):
                trial.keep(text, probs)

    def rewritten(self, texts: Texts, rewrite: Callable[[str], str]) -> Texts:
        """The example with ``rewrite`` applied to each text that may be modified."""
        if isinstance(texts, str):
            return rewrite(texts)
        first, second = texts
        return (
            rewrite(first) if self.columns != "second" else first,
            rewrite(second) if self.columns != "first" else second,
        )


def map_words(text: str, change: Callable[[str], str]) -> str:
    """A text with ``change`` applied to each word (see :func:`harness_attacks.passage.words_of`), the rest as it was."""
    passage = Passage((text,))
    pieces, position = [], 0
    for index, word in enumerate(passage.words):
        start, end = passage.span(index)
        pieces += [text[position:start], change(word)]
        position = end
    return "".join([*pieces, text[position:]])
