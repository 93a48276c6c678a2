"""The leaderboard as the page's tables show it: cells of text, with a number to sort by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report import columns
from harness.report.model import Board, Leaderboard, Row, ScoreInfo

ALPHA = 0.05
ABBREVIATIONS = {"uu": "UU", "ece": "ECE", "mce": "MCE", "nll": "NLL", "aurc": "AURC", "mcc": "MCC", "f1": "F1"}
FIRST = ("accuracy/clean", "accuracy/attacked", "confidence/clean", "ece/clean", *columns.PLANTED)
"""Columns shown from the start, beside unknown unknowns at every threshold."""


@dataclass(frozen=True)
class Column:
    """A column of figures."""

    key: str
    label: str
    population: str
    meaning: str
    better: str
    shown: bool


@dataclass(frozen=True)
class Cell:
    """A figure: as text, as a number to sort by, with what stands below it."""

    text: str = "–"
    sort: str = ""
    interval: str = ""
    difference: str = ""
    verdict: str = ""
    best: bool = False


@dataclass(frozen=True)
class TableRow:
    """A row of a board."""

    row: Row
    color: int | None
    baseline: bool
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """A board as a table."""

    title: str
    caption: str
    board: Board
    columns: Sequence[Column]
    rows: Sequence[TableRow]
    notes: Sequence[str]


def heading(name: str) -> str:
    """A score's name as people read it: ``uu_rate@0.65/clean`` -> ``UU rate@0.65 clean``."""
    base, _, population = name.partition("/")
    stem, at, tau = base.partition("@")
    label = " ".join(ABBREVIATIONS.get(word, word) for word in stem.split("_")) + at + tau
    return f"{label[:1].upper()}{label[1:]} {population}".rstrip()


def column(name: str, info: ScoreInfo, board: Board) -> Column:
    """A score as a column."""
    label, _, population = heading(name).partition(" ") if "/" not in name else heading(name).rpartition(" ")
    attacked = any(score.startswith("uu@") and score.endswith("/perturbed") for score in board.scores)
    counts = name.startswith("uu@") and population == ("perturbed" if attacked else "clean")
    shown = name == board.primary or name in FIRST or counts
    aim = {"higher": "Higher is better.", "lower": "Lower is better."}.get(info.better or "", "")
    return Column(name, label, population, f"{info.meaning} {aim}".strip(), info.better or "", shown)


def cell(board: Board, row: Row, name: str, *, best: bool) -> Cell:
    """A figure with its interval and its difference to the baseline."""
    figure, info = row.scores.get(name), board.scores[name]
    if figure is None or figure.value is None:
        return Cell()
    delta = verdict = ""
    difference = row.differences.get(name)
    if difference is not None:
        delta = columns.difference_text(board, name, difference)
        p = difference.p_holm if difference.p_holm is not None else difference.p
        if p is not None and p < ALPHA and info.better is not None and difference.value:
            verdict = "good" if (difference.value > 0) == (info.better == "higher") else "bad"
    unit = " %" if columns.is_share(info, name) else ""
    return Cell(
        columns.value_text(board, row, name) + unit,
        repr(figure.value),
        columns.interval_text(board, row, name),
        delta,
        verdict,
        best,
    )


def table(board: Board, palette: Sequence[str], *, title: str) -> Table:
    """A board as a table."""
    heads = [column(name, info, board) for name, info in board.scores.items()]
    heads.sort(key=lambda head: (head.key != board.primary, head.key not in FIRST, not head.shown))
    rows = []
    for row in board.rows:
        cells = [cell(board, row, head.key, best=head.key == board.primary and row.rank == 1) for head in heads]
        color = palette.index(row.arm) % 8 if row.arm in palette else None
        rows.append(TableRow(row, color, row.arm == board.baseline and not row.reported, cells))
    sizes = [
        f"{count:,} {split}"
        for split in ("train", "validation", "test")
        if (count := getattr(board, split)) is not None
    ]
    caption = " · ".join(part for part in (f"suite {board.suite}", " / ".join(sizes)) if part)
    notes = [
        *columns.remarks(board),
        *(f"{line[0].upper()}{line[1:]}" for line in columns.sources(board)),
        *board.notes,
    ]
    return Table(title, caption, board, heads, rows, notes)


def tables(leaderboard: Leaderboard, palette: Sequence[str]) -> list[Table]:
    """All boards as tables, titled by data set, and by suite where there are several."""
    suites = {board.suite for board in leaderboard.boards}
    return [
        table(board, palette, title=board.dataset if len(suites) <= 1 else f"{board.dataset} ({board.suite})")
        for board in leaderboard.boards
    ]
