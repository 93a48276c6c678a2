"""Random character edits of one word."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness_attacks.greedy import Candidate

if TYPE_CHECKING:
    from harness_attacks.passage import Passage
    from harness_attacks.trial import Trial


class CharacterEdits:
    """Proposes one random outcome of every edit, drawing as TextAttack's character transformations draw.

    Args:
        trial: Whose random generators to draw from.
        edits: Names of edits, applied in this order.
        max_distance: Candidates farther than this from the original, in Levenshtein distance, are left out.
    """

    def __init__(self, trial: Trial, edits: Sequence[str], max_distance: int) -> None:
        self._position = trial.numpy_random.randint
        self._choice = trial.random.choice
        self._edits = [getattr(self, f"_{name}") for name in edits]
        texts = trial.example.texts
        self._original = texts if isinstance(texts, str) else "\n".join(texts)
        self._max_distance = max_distance

    def __call__(self, passage: Passage, index: int) -> Sequence[Candidate]:
        """The admissible edits of word ``index``, sorted by the text that they give."""
        word = passage.words[index]
        if len(word) < 2:
            return []
        edited = dict.fromkeys(edit(word) for edit in self._edits)
        current = passage.joined
        found: dict[str, Candidate] = {}
        for new in edited:
            if new == word:
                continue
            candidate = Candidate(new, passage.replace(index, new))
            joined = candidate.joined
            if joined != current and joined not in found and self._close(joined, passage):
                found[joined] = candidate
        return [found[joined] for joined in sorted(found)]

    def _close(self, joined: str, passage: Passage) -> bool:
        # An edit of one word costs at most 2, so the distance of a text with few modified words need not be computed.
        if 2 * (len(passage.modified) + 1) <= self._max_distance:
            return True
        from rapidfuzz.distance import Levenshtein

        limit = self._max_distance
        return Levenshtein.distance(self._original, joined, score_cutoff=limit) <= limit

    def _letter(self) -> str:
        return self._choice(string.ascii_letters)

    def _swap(self, word: str) -> str:
        i = self._position(0, len(word) - 1)
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]

    def _substitute(self, word: str) -> str:
        i = self._position(0, len(word))
        return word[:i] + self._letter() + word[i + 1 :]

    def _delete(self, word: str) -> str:
        i = self._position(0, len(word))
        return word[:i] + word[i + 1 :]

    def _insert(self, word: str) -> str:
        i = self._position(0, len(word))
        return word[:i] + self._letter() + word[i:]
