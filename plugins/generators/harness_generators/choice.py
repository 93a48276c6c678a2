"""The probabilities of a few answers, from the token in which the answer that a model wrote begins."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from harness_generators.cache import Answer

TOLD_APART = 0.01
"""A token that begins several answers is passed over where it has no more than this share of what all answers have."""

_VALUE = re.compile(r'"label"\s*:\s*"')


class Undecided(Exception):  # noqa: N818 - an outcome, not an error
    """Several answers begin with one token, so that its probability says nothing about which.

    Attributes:
        token: The token.
        answers: Those answers.
    """

    def __init__(self, token: str, answers: Sequence[str]) -> None:
        super().__init__(token)
        self.token, self.answers = token, tuple(answers)


def alternatives(answer: Answer) -> list[tuple[str, float]]:
    """What an answer might have begun with instead: pieces of text that are no longer than a token, with log-probabilities.

    The answer is the value of ``label`` in JSON, else the whole text. Empty where the server gave no probabilities.
    """
    if not answer.logprobs:
        return []
    tokens = json.loads(answer.logprobs)
    written = "".join(token for token, _ in tokens)
    found = _VALUE.search(written)
    begin = found.end() if found else len(written) - len(written.lstrip(' \n\t"'))
    place = 0
    for token, others in tokens:
        if place <= begin < place + len(token):
            before = token[: begin - place]
            pieces = [(_piece(other, before), logprob) for other, logprob in others]
            return [(piece, logprob) for piece, logprob in pieces if piece.strip()]
        place += len(token)
    return []


def shares(pieces: Sequence[tuple[str, float]], answers: Sequence[str]) -> list[float] | None:
    """How probable each answer is, given that it is one of them.

    An answer that begins with none of the listed pieces is as probable as the least probable of them, at most.

    Args:
        pieces: What :func:`alternatives` found.
        answers: At least two, told apart without regard to case.

    Returns:
        Probabilities that sum to 1; ``None`` where no piece begins any answer.

    Raises:
        Undecided: A piece begins several answers, and is not rare.
    """
    names = [answer.casefold() for answer in answers]
    mass, unclear = [0.0] * len(names), []
    for piece, logprob in pieces:
        core = piece.casefold().rstrip(' \n\t"}.,;:!')
        begun = [k for k, name in enumerate(names) if core and name.startswith(core)]
        exact = [k for k in begun if names[k] == core]
        begun = exact or begun
        if len(begun) == 1:
            mass[begun[0]] += math.exp(logprob)
        elif begun:
            unclear.append((math.exp(logprob), piece, [answers[k] for k in begun]))
    total = sum(mass)
    for p, piece, between in unclear:
        if p > TOLD_APART * (total + p):
            raise Undecided(piece, between)
    if not total:
        return None
    least = min(math.exp(logprob) for _, logprob in pieces)
    mass = [p or min(least, 1.0) for p in mass]
    return [p / sum(mass) for p in mass]


def alike(answers: Sequence[str]) -> tuple[str, str] | None:
    """Two answers that begin with the same word, or of which one begins the other; ``None`` if all are told apart."""
    first: dict[str, str] = {}
    for answer in answers:
        word = re.split(r"[\s_-]+", answer.casefold().strip())[0]
        for other, known in first.items():
            if other.startswith(word) or word.startswith(other):
                return known, answer
        first[word] = answer
    return None


def _piece(token: str, before: str) -> str:
    return token[len(before) :] if before and token.startswith(before) else token.lstrip(' \n\t"')
