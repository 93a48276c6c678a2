"""The leaderboard as the page's tables show it: cells of text, with a number to sort by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from harness.components.score_name import ScoreName
from harness.report import columns
from harness.report.groups import BoardKey
from harness.report.model import Board, Row, ScoreInfo
from harness.unknowns import CLEAN, PERTURBED

ALPHA = 0.05
ABBREVIATIONS = {"uu": "UU", "ece": "ECE", "mce": "MCE", "nll": "NLL", "aurc": "AURC", "mcc": "MCC", "f1": "F1"}
FIRST = ("accuracy/clean", "accuracy/attacked", "confidence/clean", "ece/clean", "brier/clean", *columns.PLANTED)
"""Columns shown from the start, beside unknown unknowns at every threshold."""


@dataclass(frozen=True)
class Head:
    """The head of a column of figures."""

    key: str
    label: str
    population: str
    meaning: str
    better: str
    shown: bool
    claimed: bool = False


@dataclass(frozen=True)
class Shown:
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
    cells: Sequence[Shown]


@dataclass(frozen=True)
class Table:
    """A board as a table."""

    title: str
    caption: str
    board: Board
    columns: Sequence[Head]
    rows: Sequence[TableRow]
    notes: Sequence[str]


def heading(name: str) -> str:
    """A score's name as people read it: ``uu_rate@0.65/clean`` -> ``UU rate@0.65 clean``."""
    score = ScoreName.parse(name)
    return f"{_label(score)} {score.part}".rstrip()


def _label(score: ScoreName) -> str:
    words = " ".join(ABBREVIATIONS.get(word, word) for word in score.stem.split("_"))
    label = f"{words}@{score.at}" if score.at else words
    return f"{label[:1].upper()}{label[1:]}"


def head(name: str, info: ScoreInfo, board: Board) -> Head:
    """A score as the head of its column."""
    score = ScoreName.parse(name)
    if score.part:
        label, population = _label(score), score.part
    else:
        label, _, population = _label(score).partition(" ")
    every = map(ScoreName.parse, board.scores)
    attacked = any(other.counts_uus and other.part == PERTURBED for other in every)
    counts = score.counts_uus and score.part == (PERTURBED if attacked else CLEAN)
    shown = name == board.primary or name in FIRST or counts
    aim = {"higher": "Higher is better.", "lower": "Lower is better."}.get(info.better or "", "")
    return Head(name, label, population, f"{info.meaning} {aim}".strip(), info.better or "", shown)


def shown_figure(board: Board, row: Row, name: str, *, best: bool) -> Shown:
    """A figure with its interval and its difference to the baseline."""
    figure, info = row.scores.get(name), board.scores[name]
    if figure is None or figure.value is None:
        return Shown()
    delta = verdict = ""
    difference = row.differences.get(name)
    if difference is not None:
        delta = columns.difference_text(board, name, difference)
        p = difference.p_holm if difference.p_holm is not None else difference.p
        if p is not None and p < ALPHA and info.better is not None and difference.value:
            verdict = "good" if (difference.value > 0) == (info.better == "higher") else "bad"
    unit = " %" if columns.is_share(info, name) else ""
    return Shown(
        columns.value_text(board, row, name) + unit,
        repr(figure.value),
        columns.interval_text(board, row, name),
        delta,
        verdict,
        best,
    )


def table(board: Board, palette: Sequence[str], *, title: str, claimed: Set[str] | None = None) -> Table:
    """A board as a table; ``claimed`` are the scores that a check could not compute again, ``None`` where none was made."""
    heads = [replace(head(name, info, board), claimed=name in (claimed or ())) for name, info in board.scores.items()]
    heads.sort(key=lambda one: (one.key != board.primary, one.key not in FIRST, not one.shown))
    rows = []
    for row in board.rows:
        cells = [
            shown_figure(board, row, one.key, best=one.key == board.primary and board.crowned(row)) for one in heads
        ]
        color = palette.index(row.arm) % 8 if row.arm in palette else None
        rows.append(TableRow(row, color, row.arm == board.baseline and not row.reported, cells))
    sizes = [f"{count:,} {split}" for split in ("train", "validation", "test") if (count := getattr(board, split))]
    caption = " · ".join(part for part in (f"suite {board.suite}", " / ".join(sizes)) if part)
    notes = [
        *columns.ranking(board),
        *columns.remarks(board),
        *(f"{line[0].upper()}{line[1:]}" for line in columns.sources(board)),
        *board.notes,
        *([] if claimed is None else [_checked(board, claimed)]),
    ]
    return Table(title, caption, board, heads, rows, notes)


def _checked(board: Board, claimed: Set[str]) -> str:
    """Which figures were computed again from the predictions, and which stand as claimed."""
    names = [heading(name) for name in board.scores if name in claimed]
    if not names:
        return "Checked: every figure was computed again from the predictions."
    share = f"{len(board.scores) - len(names)} of {len(board.scores)} scores"
    return f"Checked: {share} were computed again from the predictions; claimed: {', '.join(names)}."


def tables(
    boards: Sequence[Board], palette: Sequence[str], claimed: Mapping[BoardKey, Set[str]] | None = None
) -> list[Table]:
    """All boards as tables, titled by data set, and by suite where there are several."""

    def of(board: Board) -> Set[str] | None:
        return None if claimed is None or not board.measured else claimed.get(BoardKey.of(board), frozenset())

    suites = {board.suite for board in boards}
    return [
        table(
            board,
            palette,
            title=board.dataset if len(suites) <= 1 else f"{board.dataset} ({board.suite})",
            claimed=of(board),
        )
        for board in boards
    ]
