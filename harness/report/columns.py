"""The columns of the tables that people read: which there are, their titles, and the text of a cell."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.components.score_name import ScoreName
from harness.errors import InputError, did_you_mean
from harness.statistics.comparison import ALPHA
from harness.statistics.digits import significant
from harness.unknowns import CLEAN, PERTURBED

if TYPE_CHECKING:
    from harness.report.model import Board, Difference, Figure, Row, ScoreInfo

MINUS = "\N{MINUS SIGN}"
SPECIAL = ("rank", "arm", "seeds", "confidence", "delta", "p", "flags")
"""Columns that are not a score's value: ``confidence`` is mean ± standard deviation, ``delta`` and ``p`` are the difference
of the primary score to the baseline and its p-value; ``delta:SCORE`` and ``p:SCORE`` are those of another score."""
NEEDED = 50
"""Columns with at least this :attr:`Column.keep` are in every table, however narrow: they answer the question."""
PRIMARY = 97
"""The :attr:`Column.keep` of the score that ranks, which always stays."""
FLAGS = {
    "less confident": "clean confidence dropped too, beyond chance",
    "less accurate": "more than a point of clean accuracy was lost, beyond chance",
    "one class": "nearly every example gets one class",
}
"""What the flags of an arm mean."""
PLANTED = ("planted_found", "planted_hit", "planted_accuracy", "planted_repaired", "planted_cost")
"""Scores shown wherever blind spots were planted."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: Its name on the command line.
        title: Its heading; a line break is welcome where space is short.
        cell: Text of the cell of a row; empty where there is nothing.
        numeric: Whether it is aligned to the right.
        keep: The higher, the longer it stays when the terminal is narrow; see :data:`NEEDED`.
        score: The score whose best value is marked, if any.
        interval: Text of the interval of a row's cell.
    """

    key: str
    title: str
    cell: Callable[[Board, Row], str]
    numeric: bool = True
    keep: int = 5
    score: str | None = None
    interval: Callable[[Board, Row], str] = field(default=lambda board, row: "")


def is_share(info: ScoreInfo | None, name: str) -> bool:
    """Whether a score is shown in per cent."""
    if info is not None:
        return not info.total and info.low is not None and info.low >= -1 and info.high is not None and info.high <= 1
    return ScoreName.parse(name).head in {"accuracy", "confidence", "confidence_std", "ece"}


def number(value: float | None, *, share: bool = False, total: bool = False, sign: bool = False) -> str:
    """A figure as people read it: shares in per cent with one decimal, counts with thousands separated, others significant."""
    if value is None:
        return ""
    if share:
        text = f"{100 * value:.1f}"
    elif total:
        text = f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 10 else f"{value:,.1f}"
    else:
        text = significant(value, decimals=3)
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    elif sign and not text.startswith("-"):
        text = f"+{text}"
    return text.replace("-", MINUS)


def p_text(p: float | None) -> str:
    """A p-value: three decimals, or that it is smaller."""
    if p is None:
        return ""
    return "<.001" if p < 0.0005 else f"{p:.3f}".removeprefix("0") if p < 0.9995 else "1"


def value_text(board: Board, row: Row, name: str) -> str:
    """The value of a row's score."""
    figure, info = row.scores.get(name), board.scores.get(name)
    if figure is None:
        return ""
    total = info.total if info is not None else ScoreName.parse(name).counts_uus
    return number(figure.value, share=is_share(info, name), total=total)


def interval_text(board: Board, row: Row, name: str) -> str:
    """The interval of a row's score."""
    figure: Figure | None = row.scores.get(name)
    info = board.scores.get(name)
    if figure is None or figure.low is None or figure.high is None or info is None:
        return ""
    share = is_share(info, name)
    return "–".join(number(end, share=share, total=info.total) for end in (figure.low, figure.high))


def interval_bounds(low: float | None, high: float | None, *, share: bool, total: bool) -> str:
    """The interval of a difference: ``[−20, −4]``."""
    if low is None or high is None:
        return ""
    return f"[{number(low, share=share, total=total)}, {number(high, share=share, total=total)}]"


def difference_text(board: Board, name: str, difference: Difference) -> str:
    """A difference with its interval: ``−12 [−20, −4]``."""
    info = board.scores.get(name)
    share, total = is_share(info, name), bool(info and info.total)
    text = number(difference.value, share=share, total=total, sign=True)
    return f"{text} {interval_bounds(difference.low, difference.high, share=share, total=total)}".rstrip()


def short(name: str) -> str:
    """A score's name as a heading: ``uu@0.65/perturbed`` -> ``UU@.65`` over ``perturbed``."""
    parsed = ScoreName.parse(name)
    head, tail = parsed.head, parsed.part
    words = {
        "accuracy/clean": "acc.",
        "accuracy/attacked": "acc.\nafter",
        "ece/clean": "ECE",
        "brier/clean": "Brier",
        "nll/clean": "NLL",
    }
    population = {"perturbed": "pert.", "deployed": "depl."}.get(tail, tail)
    if parsed.stem == "matched_uu":
        return f"UU@{parsed.at.removeprefix('0')}\nmatched"
    if name in words:
        return words[name]
    if parsed.counts_uus:
        head = f"UU@{parsed.at.removeprefix('0')}"
        tail = population
    if name in PLANTED:
        head, tail = "planted", name.removeprefix("planted_").replace("accuracy", "acc.")
    elif head in PLANTED:
        head = "acc. in"
    if len(head) > 12:
        head = "\n".join(textwrap.wrap(head.replace("_", " "), 12, break_long_words=False))
    return f"{head}\n{tail}" if tail else head


def heading_of(name: str) -> str:
    """A score's name as the heading of a table by group, where rates stand for counts."""
    return short(name.replace("uu_rate@", "uu@", 1))


def _starred(board: Board, row: Row, name: str) -> str:
    """A value, with a star where it differs from the baseline's beyond chance."""
    text, found = value_text(board, row, name), row.differences.get(name)
    differs = name != board.primary and found is not None and found.p_holm is not None and found.p_holm < ALPHA
    return f"{text}*" if text and differs else text


def score_column(name: str, *, keep: int = 5, title: str = "") -> Column:
    """The column of one score."""
    return Column(
        name,
        title or short(name),
        lambda board, row: _starred(board, row, name),
        keep=keep,
        score=name,
        interval=lambda board, row: interval_text(board, row, name),
    )


def _confidence(board: Board, row: Row) -> str:
    mean, spread = (value_text(board, row, name) for name in ("confidence/clean", "confidence_std/clean"))
    return f"{mean} ± {spread}" if mean and spread else mean


def _delta(board: Board, row: Row, name: str = "", *, interval: bool = True) -> str:
    name = name or board.primary or ""
    found = row.differences.get(name)
    if found is None:
        return ""
    return difference_text(board, name, found if interval else found.model_copy(update={"low": None}))


def _p(board: Board, row: Row, name: str = "") -> str:
    found = row.differences.get(name or board.primary or "")
    return "" if found is None else p_text(found.p_holm)


def _rank(board: Board, row: Row) -> str:
    return "!" if row.flags else "" if row.rank is None else str(row.rank)


def _flags(board: Board, row: Row) -> str:
    short_flags = {"less confident": "conf.↓", "less accurate": "acc.↓", "one class": "1 class"}
    return "! " + " ".join(short_flags.get(flag, flag) for flag in row.flags) if row.flags else ""


def special_column(key: str) -> Column:
    """One of the columns of :data:`SPECIAL`."""
    return {
        "rank": Column("rank", "#", _rank, keep=98),
        "arm": Column(
            "arm",
            "arm",
            lambda board, row: f"{row.arm} †" if row.reported else row.arm,
            numeric=False,
            keep=99,
        ),
        "seeds": Column("seeds", "seeds", lambda board, row: str(len(row.seeds) or ""), keep=0),
        "confidence": Column(
            "confidence",
            "conf.\n± sd",
            _confidence,
            keep=9,
            interval=lambda board, row: interval_text(board, row, "confidence/clean"),
        ),
        "delta": Column("delta", "\N{INCREMENT}\n[95 %]", _delta, keep=96),
        "p": Column("p", "p", _p, keep=NEEDED + 1),
        "flags": Column("flags", "flag", _flags, numeric=False, keep=95),
    }[key]


def of_difference(key: str) -> Column | None:
    """The column ``delta:SCORE`` or ``p:SCORE``; ``None`` if the key is neither."""
    what, _, name = key.partition(":")
    cell = {"delta": _delta, "p": _p}.get(what)
    if not name or cell is None:
        return None
    sign = "p" if what == "p" else "\N{INCREMENT}"
    return Column(key, f"{sign} {short(name)}", lambda board, row: cell(board, row, name))


def stacked(columns: Sequence[Column], *, interval: bool = True) -> list[Column]:
    """The same columns with two lines an arm: flags below its name, the difference below the figure that ranks, and so on."""
    kept = {column.key: column for column in columns}
    delta, flags = kept.pop("delta", None), kept.pop("flags", None)
    proper = next((kept.pop(key) for key in ("brier/clean", "nll/clean") if key in kept and "ece/clean" in kept), None)
    found = []
    for column in kept.values():
        if column.key == "arm" and flags is not None:
            found.append(replace(column, cell=_below(column, flags.cell)))
        elif column.keep == PRIMARY and delta is not None:
            difference = delta.cell if interval else lambda board, row: _delta(board, row, interval=False)
            title = f"{column.title}\n\N{INCREMENT}{' [95 %]' * interval}"
            found.append(replace(column, title=title, cell=_below(column, difference)))
        elif column.key == "ece/clean" and proper is not None:
            found.append(replace(column, title=f"{column.title}\n{proper.title}", cell=_below(column, proper.cell)))
        else:
            found.append(column)
    return found


def _below(column: Column, cell: Callable[[Board, Row], str]) -> Callable[[Board, Row], str]:
    return lambda board, row: f"{column.cell(board, row)}\n{cell(board, row)}".rstrip()


def default_columns(board: Board) -> list[Column]:
    """The columns of a board that nobody chose columns for; empty ones are left out."""
    columns = [special_column("rank"), special_column("arm")]
    if any(len(row.seeds) > 1 for row in board.rows):
        columns.append(special_column("seeds"))
    columns += [score_column("accuracy/clean", keep=NEEDED + 2), score_column("accuracy/attacked", keep=8)]
    columns.append(special_column("confidence"))
    thresholds = board.thresholds or (0.65, 0.8, 0.9)
    measured = {name for row in board.rows for name in row.scores}
    population = next(
        (one for one in (PERTURBED, CLEAN) if str(ScoreName.uu(thresholds[0], one)) in measured), PERTURBED
    )
    columns += [score_column(str(ScoreName.uu(tau, population)), keep=NEEDED) for tau in thresholds]
    columns.append(score_column("ece/clean", keep=NEEDED))
    columns += [score_column(name, keep=NEEDED) for name in ("brier/clean", "nll/clean") if name in measured][:1]
    if board.counted:
        columns.append(score_column(board.counted, keep=7))
    if board.primary:
        columns = [column for column in columns if column.key != board.primary]
        columns.append(score_column(board.primary, keep=PRIMARY))
    columns += [score_column(name, keep=5 if name in PLANTED[:2] else 6) for name in PLANTED]
    columns += [
        score_column(name, keep=1)
        for name in board.scores
        if (score := ScoreName.parse(name)).part and score.head == "planted_accuracy"
    ]
    columns += [special_column(key) for key in ("delta", "p", "flags")]
    columns += [score_column(name, keep=0) for name in headlines(board) if name not in {one.key for one in columns}]
    unique = {column.key: column for column in columns}
    return [column for column in unique.values() if any(column.cell(board, row) for row in board.rows)]


def headlines(board: Board) -> list[str]:
    """One score of every metric that has none among the usual columns: its first with a better and a worse direction."""
    usual = {"accuracy", "confidence", "uu", "ece", "brier", "matched-uu", "planted", "planted-truth"}
    first: dict[str, str] = {}
    for name, info in board.scores.items():
        if info.metric and info.metric.rpartition("/")[2] not in usual and info.better is not None:
            first.setdefault(info.metric, name)
    return list(first.values())


def chosen_columns(board: Board, keys: Iterable[str]) -> list[Column]:
    """The columns that somebody chose by name, after the arm's.

    Raises:
        InputError: A name that is neither special nor a score of the board.
    """
    names = list(dict.fromkeys(keys))
    if not names:
        return default_columns(board)
    scores = {*board.scores, *(name for row in board.rows for name in row.scores)}
    for name in names:
        known = (
            {f"{name.partition(':')[0]}:{score}" for score in scores} if of_difference(name) else {*SPECIAL, *scores}
        )
        if name not in known:
            raise InputError(f"There is no column {name!r}. {did_you_mean(name, known)}")
    if "arm" not in names:
        names.insert(names.index("rank") + 1 if "rank" in names else 0, "arm")
    return [of_difference(name) or (special_column(name) if name in SPECIAL else score_column(name)) for name in names]


def best_rows(board: Board, column: Column) -> set[str]:
    """Arms whose cell in a column is marked as the best: of the measured ones, all that read the same.

    No flagged arm is, and of the score that ranks only an arm that is first beyond chance; none where every arm was trained
    once, because another training may turn it round.
    """
    info = board.scores.get(column.score or "")
    if column.score is None or info is None or info.better is None or board.one_seed:
        return set()
    if column.score == board.primary:
        return {row.arm for row in board.measured if board.crowned(row)}
    values = {
        row.arm: row.scores[column.score].value
        for row in board.measured
        if column.score in row.scores and row.scores[column.score].value is not None and not row.flags
    }
    if len(values) < 2:
        return set()
    pick = min if info.better == "lower" else max
    best = pick(values, key=lambda arm: values[arm] or 0.0)
    text = column.cell(board, board.row(best))
    return {arm for arm in values if column.cell(board, board.row(arm)) == text}


def title(board: Board) -> str:
    """Heading of a board."""
    return f"{board.dataset} · suite {board.suite}"


def captions(board: Board) -> list[str]:
    """What a reader has to know to read the table, line by line."""
    lines = []
    measured = board.measured
    if measured:
        seeds = sorted({seed for row in measured for seed in row.seeds})
        facts = [f"{board.test:,} test examples" if board.test else "", f"seed{'s'[: len(seeds) > 1]} "]
        facts[1] += ", ".join(map(str, seeds))
        lines.append(" · ".join(fact for fact in facts if fact) + f" · board {board.board[:12]}")
    lines += [*ranking(board, star=True), *remarks(board)]
    return [*lines, *(f"† {source}" for source in sources(board)), *board.notes]


def ranking(board: Board, *, star: bool = False) -> list[str]:
    """What ranks, and what does not, line by line; ``star`` explains the marks of the tables in text."""
    lines = []
    measured = board.measured
    if board.primary and measured:
        info = board.scores.get(board.primary)
        aim = "higher" if info is not None and info.better == "higher" else "lower"
        means = ", wrong among as many predictions as the baseline is sure of" * board.primary.startswith("matched_uu")
        lines.append(
            f"Ranked by {board.primary}{means}; {aim} is better; arms that share a rank cannot be told apart."
            + f" \N{INCREMENT}: its paired difference to {board.baseline}; p, and * for other scores: adjusted by Holm."
            * (star and any(row.differences for row in measured))
        )
    if board.one_seed and len(measured) > 1:
        lines.append(
            "One seed: the trained networks are compared, not the methods; another training may turn it round."
        )
    if any(row.flags for row in measured):
        lines.append(
            "! " * star
            + "Flagged arms are not ranked: the figure that ranks is better, but "
            + " or ".join(meaning for flag, meaning in FLAGS.items() if any(flag in row.flags for row in measured))
            + "."
        )
    return lines


def remarks(board: Board) -> list[str]:
    """What the figures of a board can and cannot say, line by line."""
    lines = []
    if board.primary and board.measured and board.detectable is not None:
        info = board.scores.get(board.primary)
        share, total = is_share(info, board.primary), info is None or info.total
        span = board.test if total else None if info is None else info.span
        if span is not None and board.detectable >= span:
            lines.append(
                "At least one arm is known so loosely that even the largest difference there can be would be missed more than"
                " one time in five."
            )
        else:
            smallest = number(board.detectable, share=share, total=total) + " points" * share
            lines.append(f"True differences below {smallest} would have been missed more than one time in five.")
    if any(name in board.scores for name in PLANTED):
        lines.append(
            "Planted blind spots: share of them found by the attack and hit by synthetic data, accuracy on their members,"
            f" share of {board.baseline}'s unknown unknowns there that are right now, accuracy lost elsewhere."
        )
    return lines


def sources(board: Board) -> list[str]:
    """Where the reported rows of a board come from, line by line."""
    found = dict.fromkeys(row.source for row in board.rows if row.reported)
    return [f"reported, not measured: {source}." for source in found]
