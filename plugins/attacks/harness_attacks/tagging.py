"""Part-of-speech taggers that need no download."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from harness.errors import InputError

Tagger = Callable[[tuple[str, ...]], Sequence[str]]
"""Gives each word of a sequence its tag in the universal tag set (``NOUN``, ``VERB``, ``ADJ``, ...)."""

_UNIVERSAL = {
    "ADJ": "JJ JJR JJS AFX",
    "ADP": "IN",
    "ADV": "RB RBR RBS WRB",
    "CONJ": "CC",
    "DET": "DT EX PDT WDT",
    "NOUN": "NN NNS NNP NNPS",
    "NUM": "CD",
    "PRON": "PRP PRP$ WP WP$",
    "PRT": "POS RP TO",
    "VERB": "MD VB VBD VBG VBN VBP VBZ",
}
UNIVERSAL = {penn: universal for universal, tags in _UNIVERSAL.items() for penn in tags.split()}
"""Penn Treebank tags to universal ones (Petrov, Das and McDonald 2012); ``.`` and ``X`` for the rest."""


def tagger(name: str) -> Tagger | None:
    """A tagger by name: ``perceptron``, ``nltk`` or ``none``.

    Raises:
        InputError: The package or the data of that tagger is missing.
    """
    if name == "none":
        return None
    return perceptron() if name == "perceptron" else nltk()


def nltk() -> Tagger:
    """NLTK's default tagger, as TextAttack uses it."""
    try:
        from nltk import pos_tag
    except ImportError as error:
        raise InputError("The tagger 'nltk' needs NLTK.", hint="pip install nltk") from error

    def tag(words: tuple[str, ...]) -> Sequence[str]:
        try:
            return [tag for _, tag in pos_tag(words, tagset="universal")]
        except LookupError as error:
            raise InputError(
                "NLTK's tagger has no data here.",
                hint="python -m nltk.downloader averaged_perceptron_tagger_eng universal_tagset, or set `tagger: perceptron`.",
            ) from error

    return lru_cache(maxsize=2**14)(tag)


@lru_cache(maxsize=1)
def perceptron() -> Tagger:
    """The averaged perceptron tagger (Honnibal 2013) with the weights that ``textblob-aptagger`` carries.

    Raises:
        InputError: The package is not installed.
    """
    weights, fixed, tags = read(find())
    order = sorted(tags)

    def tag(words: tuple[str, ...]) -> Sequence[str]:
        context = ["-START-", "-START2-", *map(_normalised, words), "-END-", "-END2-"]
        before, last = "-START2-", "-START-"
        found = []
        for i, word in enumerate(words):
            chosen = fixed.get(word) or _best(weights, order, _features(i + 2, word, context, last, before))
            found.append(UNIVERSAL.get(chosen, "X" if chosen[0].isalpha() else "."))
            before, last = last, chosen
        return found

    return lru_cache(maxsize=2**14)(tag)


def _features(i: int, word: str, context: list[str], last: str, before: str) -> list[str]:
    return [
        "bias",
        f"i suffix {word[-3:]}",
        f"i pref1 {word[:1]}",
        f"i-1 tag {last}",
        f"i-2 tag {before}",
        f"i tag+i-2 tag {last} {before}",
        f"i word {context[i]}",
        f"i-1 tag+i word {last} {context[i]}",
        f"i-1 word {context[i - 1]}",
        f"i-1 suffix {context[i - 1][-3:]}",
        f"i-2 word {context[i - 2]}",
        f"i+1 word {context[i + 1]}",
        f"i+1 suffix {context[i + 1][-3:]}",
        f"i+2 word {context[i + 2]}",
    ]


def _best(weights: dict[str, dict[str, float]], order: list[str], features: list[str]) -> str:
    scores: dict[str, float] = {}
    for feature in features:
        for tag, weight in weights.get(feature, {}).items():
            scores[tag] = scores.get(tag, 0.0) + weight
    return max(order, key=lambda tag: (scores.get(tag, 0.0), tag))


def _normalised(word: str) -> str:
    if "-" in word and word[0] != "-":
        return "!HYPHEN"
    if word.isdigit() and len(word) == 4:
        return "!YEAR"
    return "!DIGITS" if word[:1].isdigit() else word.lower()


class _PlainUnpickler(pickle.Unpickler):
    """Reads dictionaries, sets, strings and numbers, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.removeprefix("__builtin__").removeprefix("builtins"), name) == ("", "set"):
            return set
        raise pickle.UnpicklingError(f"{module}.{name} is no plain data")


def read(file: Path) -> tuple[dict[str, dict[str, float]], dict[str, str], set[str]]:
    """The model file: weights by feature and tag, tags of unambiguous words, all tags."""
    with file.open("rb") as stream:
        plain: IO[bytes] = stream
        weights, fixed, tags = _PlainUnpickler(plain, encoding="latin-1").load()
    return weights, fixed, tags


def find() -> Path:
    """The tagger's weights.

    Raises:
        InputError: The package that carries them is not installed.
    """
    spec = importlib.util.find_spec("textblob_aptagger")
    for place in spec.submodule_search_locations or () if spec else ():
        for file in sorted(Path(place).glob("*.pickle")):
            return file
    raise InputError(
        "The tagger 'perceptron' needs the package textblob-aptagger.",
        hint="Install it: pip install 'bliss-harness-attacks[textfooler]'",
    )
