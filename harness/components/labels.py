"""Where an index meets a meaning: class names of two sides, matched by what they say and never by their positions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import DataError

_ALIASES = {
    name: names[0]
    for names in (
        ("entailment", "entails", "entail", "entailed", "answers the question"),
        ("not entailment", "non entailment", "not entailed", "no entailment", "does not answer the question"),
        ("contradiction", "contradicts", "contradict", "contradictory"),
        ("neutral", "neither"),
        ("negative", "neg"),
        ("positive", "pos"),
        ("equivalent", "is equivalent", "paraphrase", "is paraphrase", "a paraphrase"),
        ("not equivalent", "non equivalent", "not paraphrase", "not a paraphrase", "no paraphrase", "non paraphrase"),
        ("duplicate", "duplicates", "is duplicate"),
        ("not duplicate", "non duplicate", "no duplicate", "not duplicates"),
        ("acceptable", "grammatical"),
        ("unacceptable", "not acceptable", "ungrammatical"),
    )
    for name in names
}
_UNNAMED = re.compile(r"(?:label|class)?[\s_-]*(\d+)", re.IGNORECASE)
_SHOWN = 12


@dataclass(frozen=True)
class LabelMatch:
    """How a classifier's outputs become a task's classes.

    Attributes:
        order: For each class of the task the output that means it, a permutation of ``0..K-1``.
        said: A sentence about it, for logs, records and reports.
        assumed: Whether names were lacking, so that the order is a convention and not something that both sides say.
    """

    order: tuple[int, ...]
    said: str
    assumed: bool = False


def match_labels(outputs: Sequence[str], labels: Sequence[str], what: str) -> LabelMatch:
    """Match a classifier's outputs with a task's classes by name.

    Upper and lower case, ``_`` and ``-`` for spaces, and the usual spellings of GLUE and NLI labels (``entail``,
    ``not-entailment``, ``NEG``) do not matter. Where one side has only numbers (``LABEL_0``), these are indices.

    Args:
        outputs: What the classifier calls its outputs, by position.
        labels: What the task calls its classes, by index.
        what: Whose outputs these are, as the beginning of a sentence: ``"The checkpoint ./model"``.

    Raises:
        DataError: The two differ in number or contradict each other; the message has both lists.
    """
    sides = f"its outputs are {listed(outputs)}; the classes of the data are {listed(labels)}"
    if len(outputs) != len(labels):
        raise DataError(f"{what} has {len(outputs)} classes where the data has {len(labels)}: {sides}.")
    for spelt in (_exact, _canonical):
        theirs, ours = [spelt(name) for name in outputs], [spelt(name) for name in labels]
        if len(set(theirs)) == len(theirs) and set(theirs) == set(ours):
            order = tuple(theirs.index(name) for name in ours)
            return LabelMatch(order, f"{what}: outputs {listed(outputs)} are matched by name.")
    theirs_numbered, ours_numbered = _numbers(outputs), _numbers(labels)
    if theirs_numbered is not None:
        order = tuple(theirs_numbered.index(index) for index in range(len(labels)))
        said = f"{what} does not name its outputs; they are taken in the order {listed(labels)}."
        return LabelMatch(order, said, assumed=True)
    if ours_numbered is not None:
        order = tuple(ours_numbered)
        said = f"The data does not name its classes: {listed(labels)} are outputs {listed(outputs)} of {_inside(what)}."
        return LabelMatch(order, said, assumed=True)
    raise DataError(f"{what} does not decide between the classes of the data: {sides}.")


def class_index(value: Any, names: Sequence[str]) -> int | None:
    """The class that a value means: its name, or its index where names are words; ``None`` if it is neither.

    Where names are numbers themselves (stars from 1 to 5) a number is a name and nothing else.
    """
    text = str(value).strip()
    if text in names:
        return list(names).index(text)
    number = whole(value)
    if number is None or not 0 <= number < len(names):
        return None
    if str(number) in names:  # 1.0 for the name "1"
        return list(names).index(str(number))
    return None if all(whole(name) is not None for name in names) else number


def whole(value: Any) -> int | None:
    """A value as a whole number, if it is one: ``1``, ``1.0``, ``"1"``, ``True``."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() else None


def nameless(names: Sequence[str]) -> bool:
    """Whether names of classes are only numbers (``LABEL_0``, ``3``), which say nothing to whoever reads them."""
    return all(_UNNAMED.fullmatch(name.strip()) for name in names)


def listed(names: Sequence[str]) -> str:
    """Class names for a message."""
    shown = ", ".join(name if len(name) <= 60 else f"{name[:60]}..." for name in names[:_SHOWN])
    return f"[{shown}{', ...' if len(names) > _SHOWN else ''}]"


def _numbers(names: Sequence[str]) -> list[int] | None:
    """The indices that names stand for, if they are nothing but the numbers ``0..K-1``."""
    found = [_UNNAMED.fullmatch(name.strip()) for name in names]
    numbers = [int(match[1]) for match in found if match is not None and len(match[1]) < 10]
    return numbers if sorted(numbers) == list(range(len(names))) else None


def _exact(name: str) -> str:
    return name


def _canonical(name: str) -> str:
    plain = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()
    return _ALIASES.get(plain, plain)


def _inside(what: str) -> str:
    return what[:1].lower() + what[1:]
