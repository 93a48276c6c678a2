"""What a perturbation changed, and the same kind of change made to another text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidfuzz.distance import OSA, Levenshtein

from harness_generators.texts import is_word, tokens

if TYPE_CHECKING:
    import numpy as np

CHARACTER_KINDS = ("swap", "delete", "substitute", "insert")
"""Edits of one character: two neighbours swapped, one left out, one replaced, one put in."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One stretch of a text that a perturbation changed.

    Attributes:
        old: The words as they were; empty for a pure insertion.
        new: What stands there now.
        kind: One of :data:`CHARACTER_KINDS`, or ``"replace"`` when more than one character of a word changed.
        place: For a character edit, where in the word it was made, in ``[0, 1]``.
        letter: For ``"substitute"`` and ``"insert"``, the character put in.
    """

    old: str
    new: str
    kind: str
    place: float = 0.0
    letter: str = ""


def find_edits(original: str, perturbed: str) -> list[Edit]:
    """The changed stretches of words, in order, by an alignment of the two token sequences."""
    before, after = tokens(original), tokens(perturbed)
    stretches: list[list[int]] = []
    for step in Levenshtein.opcodes(before, after):
        if step.tag == "equal":
            continue
        if stretches and stretches[-1][1] == step.src_start and stretches[-1][3] == step.dest_start:
            stretches[-1][1], stretches[-1][3] = step.src_end, step.dest_end
        else:
            stretches.append([step.src_start, step.src_end, step.dest_start, step.dest_end])
    found = [_classify("".join(before[a:b]), "".join(after[c:d])) for a, b, c, d in stretches]
    return [edit for edit in found if edit.old.strip() or edit.new.strip()]


def _classify(old: str, new: str) -> Edit:
    if len(old) < 2 or OSA.distance(old, new) != 1:
        return Edit(old, new, "replace")
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    place = first / max(1, len(old) - 1)
    if len(new) > len(old):
        return Edit(old, new, "insert", min(1.0, place), new[first])
    if len(new) < len(old):
        return Edit(old, new, "delete", place)
    if Levenshtein.distance(old, new) == 1:
        return Edit(old, new, "substitute", place, new[first])
    return Edit(old, new, "swap", place)


def edit_word(word: str, kind: str, place: float, letter: str) -> str:
    """Make one character edit in a word, at the first position from ``place`` on (cyclically) where it changes something.

    Words of fewer than three characters, and words that cannot be changed (``"aaa"`` by a swap), come back as they are.
    """
    n = len(word)
    if n < 3:
        return word
    start = round(place * (n - 1))
    for i in ((start + k) % n for k in range(n)):
        if kind == "swap" and i < n - 1:
            changed = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        elif kind == "delete":
            changed = word[:i] + word[i + 1 :]
        elif kind == "substitute":
            changed = word[:i] + letter + word[i + 1 :]
        elif kind == "insert":
            changed = word[:i] + letter + word[i:]
        else:
            continue
        if changed != word:
            return changed
    return word


def transplant(text: str, edits: Sequence[Edit], evidence: Callable[[str], float]) -> tuple[str, list[str]]:
    """Make another text's edits in this one.

    A word that the edits changed is changed the same way wherever it occurs here (whole words, whatever the case). Each
    character edit whose word does not occur is made, at the same relative place, in one of the words with the most
    evidence for the label; replaced words that do not occur are left out.

    Returns:
        The edited text, and the words of it that were edited (none when nothing applied).
    """
    parts = tokens(text)
    known: Mapping[str, Edit] = {edit.old.casefold(): edit for edit in edits if edit.old}
    edited: list[str] = []
    used: set[str] = set()
    taken: set[int] = set()
    for i, part in enumerate(parts):
        edit = known.get(part.casefold())
        if edit is not None and is_word(part):
            parts[i] = edit.new.capitalize() if part.istitle() and edit.old.islower() else edit.new
            used.add(edit.old)
            taken.add(i)
            edited.append(part)
    rest = [edit for edit in edits if edit.kind != "replace" and edit.old not in used]
    for edit, i in zip(rest, strongest(parts, evidence, taken), strict=False):
        changed = edit_word(parts[i], edit.kind, edit.place, edit.letter)
        if changed != parts[i]:
            edited.append(parts[i])
            parts[i] = changed
    return "".join(parts), edited


def respell(
    text: str, kind: str, count: int, evidence: Callable[[str], float], rng: np.random.Generator
) -> tuple[str, list[str]]:
    """Make ``count`` character edits of one kind in the words with the most evidence for the label.

    Returns:
        The edited text, and the words that were edited.
    """
    parts = tokens(text)
    edited = []
    for i in strongest(parts, evidence, set())[:count]:
        letter = chr(ord("a") + int(rng.integers(26)))
        changed = edit_word(parts[i], kind, float(rng.uniform(0.2, 0.8)), letter)
        if changed != parts[i]:
            edited.append(parts[i])
            parts[i] = changed
    return "".join(parts), edited


def strongest(parts: Sequence[str], evidence: Callable[[str], float], taken: set[int]) -> list[int]:
    """Positions of the words of three characters or more, most evidence first; each word once."""
    first: dict[str, int] = {}
    for i, part in enumerate(parts):
        if i not in taken and len(part) >= 3 and part.isalpha():
            first.setdefault(part.casefold(), i)
    return sorted(first.values(), key=lambda i: (-evidence(parts[i].casefold()), i))
