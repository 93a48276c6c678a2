"""Choosing and sorting what a leaderboard shows. Ranks, tests and intervals stay those of the whole board."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from harness.report.model import Board, Row

SORTABLE = ("arm", "rank", "seeds", "delta", "p")
"""Columns to sort by, besides the scores."""


def choose(
    boards: Sequence[Board], *, datasets: Iterable[str] = (), arms: Iterable[str] = (), suites: Iterable[str] = ()
) -> tuple[Board, ...]:
    """See :meth:`harness.report.Leaderboard.filter`."""
    chosen_datasets = _known("data set", datasets, [board.dataset for board in boards])
    chosen_suites = _known("suite", suites, [board.suite for board in boards])
    chosen_arms = _known("arm", arms, [row.arm for board in boards for row in board.rows])
    kept = []
    for board in boards:
        if (chosen_datasets and board.dataset not in chosen_datasets) or (
            chosen_suites and board.suite not in chosen_suites
        ):
            continue
        rows = tuple(row for row in board.rows if not chosen_arms or row.arm in chosen_arms)
        if rows:
            kept.append(board.model_copy(update={"rows": rows}))
    if boards and not kept:
        raise InputError("No row of the leaderboard is of all the chosen data sets, arms and suites.")
    return tuple(kept)


def _known(what: str, wanted: Iterable[str], known: Sequence[str]) -> set[str]:
    chosen = set(wanted)
    for name in sorted(chosen - set(known)):
        raise InputError(f"No {what} on the leaderboard is called {name!r}. {did_you_mean(name, known)}")
    return chosen


def arrange(boards: Sequence[Board], by: str, *, descending: bool = False) -> tuple[Board, ...]:
    """See :meth:`harness.report.Leaderboard.sort`."""
    names = {name for board in boards for row in board.rows for name in row.scores}
    if by not in names and by not in SORTABLE:
        raise InputError(f"The leaderboard cannot be sorted by {by!r}. {did_you_mean(by, {*names, *SORTABLE})}")
    arranged = []
    for board in boards:
        keyed = [(sort_key(board, row, by), row) for row in board.rows]
        present = sorted(
            (pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0] or 0, reverse=descending
        )
        rows = [row for _, row in present] + [row for key, row in keyed if key is None]
        arranged.append(board.model_copy(update={"rows": tuple(sorted(rows, key=lambda row: row.reported))}))
    return tuple(arranged)


def sort_key(board: Board, row: Row, by: str) -> float | str | None:
    """What a row is sorted by; ``None`` where it has no such figure."""
    if by == "arm":
        return row.arm
    if by == "rank":
        return row.rank
    if by == "seeds":
        return len(row.seeds)
    if by in ("delta", "p"):
        found = row.differences.get(board.primary or "")
        if found is None:
            return None
        return found.value if by == "delta" else found.p
    figure = row.scores.get(by)
    return None if figure is None else figure.value
