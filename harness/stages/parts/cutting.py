"""Long stages are made of parts: pieces of a fixed size, each an artifact of its own.

How a stage is divided depends on its examples alone, never on who computes it, and the whole is put together from the parts as
if it had not been divided. So parts may be computed side by side, a killed run loses no more than the parts that it was at, and
the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.components.example import Example

Rows = tuple[int, int]
"""The first example of a part, and the first after it."""

CHARACTERS = 131_072
"""Of a part that is predicted or embedded: a minute's work for BERT on one core of a CPU, seconds for small models."""

ATTACKED = 64
"""Examples of a part that is attacked, at most."""

ELICITED = 16
"""The same where a search stops as soon as it has found enough: what is attacked in vain stays small."""

SQUARED_WORDS = 65_536
"""Of a part that is attacked: queries of an attack grow with the words of a text, and so does the work of each."""


def cuts(costs: Iterable[int], *, most_cost: int, most: int | None = None) -> list[range]:
    """Consecutive pieces of a sequence, as ranges of positions.

    Args:
        costs: What each item costs.
        most_cost: A piece costs no more than this, unless it is a single item.
        most: Items of a piece, at most; ``None`` for any number.

    >>> cuts([2, 2, 2, 9, 1], most_cost=4), cuts([1, 1, 1], most_cost=9, most=2)
    ([range(0, 2), range(2, 3), range(3, 4), range(4, 5)], [range(0, 2), range(2, 3)])
    """
    pieces: list[range] = []
    start = end = spent = 0
    for end, cost in enumerate(costs, 1):
        if end - 1 > start and (spent + cost > most_cost or end - 1 - start == most):
            pieces.append(range(start, end - 1))
            start, spent = end - 1, 0
        spent += cost
    return [*pieces, range(start, end)] if end > start else pieces


def titled(title: str, pieces: Sequence[range]) -> Iterator[tuple[str, Rows]]:
    """The titles of the parts of a stage, and the rows that each is about."""
    for number, piece in enumerate(pieces, 1):
        yield f"{title} · part {number} of {len(pieces)}", (piece.start, piece.stop)


def rows_option(rows: Rows | None) -> dict[str, list[int]]:
    """What tells a part from the whole in a stage's options."""
    return {} if rows is None else {"rows": list(rows)}


def reading_costs(examples: Sequence[Example]) -> Iterable[int]:
    """What it costs to predict or embed each example: its characters."""
    return (len(example.text) + len(example.text_pair or "") for example in examples)


def attack_costs(examples: Sequence[Example]) -> Iterable[int]:
    """What it costs to attack each example: its words squared."""
    return ((example.text.count(" ") + (example.text_pair or "").count(" ") + 1) ** 2 for example in examples)
