"""What became of an example from one arm to another: one definition for comparisons, lists and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from harness.types import BoolArray

Kind = Literal["repaired", "no longer confident", "broken", "newly confident"]
"""What became of an example from one arm to the other; an arm that is still wrong has repaired nothing."""

KINDS: tuple[Kind, ...] = ("repaired", "no longer confident", "broken", "newly confident")


def sides(uu_a: BoolArray, uu_b: BoolArray, right_a: BoolArray, right_b: BoolArray) -> dict[Kind, BoolArray]:
    """Which examples changed sides, by kind; no example is of two kinds.

    Args:
        uu_a: ``(n,)`` bool, the unknown unknowns of the first arm.
        uu_b: The same of the second.
        right_a: ``(n,)`` bool, what the first arm gets right.
        right_b: The same of the second.
    """
    return {
        "repaired": uu_a & right_b,
        "no longer confident": uu_a & ~uu_b & ~right_b,
        "broken": uu_b & right_a,
        "newly confident": uu_b & ~uu_a & ~right_a,
    }
