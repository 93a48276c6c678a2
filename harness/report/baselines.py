"""Figures that publications report: shown beside measured ones, marked, and never ranked among them.

A file of reported figures is JSON::

    {"schema_version": 1, "name": "thesis", "citation": "...", "url": "...", "suites": ["thesis"],
     "entries": [{"dataset": "mrpc", "arm": "only", "where": "table 5.2", "test": 1725,
                  "scores": {"accuracy/clean": 0.81, "uu@0.65/perturbed": 387}}]}

Scores have the names and units that the metrics give them: shares in [0, 1], counts as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from harness.disk import read_json
from harness.errors import InputError
from harness.report.model import Board, Figure, Row


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ReportedEntry(_Part):
    """What a publication reports of one arm on one data set."""

    dataset: str
    """Name of the data set in the suites."""
    arm: str
    scores: dict[str, FiniteFloat] = Field(min_length=1)
    """By score name."""
    where: str = ""
    """Table or section."""
    test: int | None = Field(default=None, ge=1)
    """Number of test examples that counts refer to."""


class Baselines(_Part):
    """The figures that one publication reports."""

    schema_version: Literal[1] = 1
    name: str
    citation: str
    """How to quote it, in short."""
    title: str = ""
    url: str = ""
    suites: tuple[str, ...] = ()
    """Suites whose boards show these figures; empty for all that have the data set."""
    entries: tuple[ReportedEntry, ...]

    @field_validator("entries")
    @classmethod
    def _once(cls, entries: tuple[ReportedEntry, ...]) -> tuple[ReportedEntry, ...]:
        keys = [(entry.dataset, entry.arm) for entry in entries]
        if repeated := sorted(key for key, count in Counter(keys).items() if count > 1):
            raise ValueError(f"arm {repeated[0][1]!r} of data set {repeated[0][0]!r} is given twice")
        return entries

    def speaks_of(self, board: Board) -> bool:
        """Whether its figures belong on a board."""
        return not self.suites or board.suite in self.suites


def read_baselines(path: Path) -> Baselines:
    """Read and validate a file of reported figures.

    Raises:
        InputError: It is not one.
    """
    payload = read_json(path, absent=f"{path} does not exist.")
    try:
        return Baselines.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: key {where!r}: {first['msg']}.") from error


def default_folder() -> Path | None:
    """Where the figures that come with the project are: in a clone of the repository, or beside the installed package."""
    import sysconfig

    clone = Path(__file__).parents[2] / "leaderboard" / "baselines"
    installed = Path(sysconfig.get_path("data")) / "share" / "bliss-harness" / "baselines"
    return next((folder for folder in (clone, installed) if folder.is_dir()), None)


def default_baselines() -> list[Baselines]:
    """The figures that come with the project."""
    folder = default_folder()
    return [] if folder is None else [read_baselines(path) for path in sorted(folder.glob("*.json"))]


def add_reported(boards: Sequence[Board], baselines: Iterable[Baselines]) -> list[Board]:
    """Boards with reported rows below the measured ones.

    Figures of data sets that no board is about stay out; see :func:`reported_boards` for showing them on their own.
    """
    extended = list(boards)
    for source in baselines:
        for i, board in enumerate(extended):
            if source.speaks_of(board):
                rows = _rows(source, board.dataset)
                extended[i] = board.model_copy(update={"rows": (*board.rows, *rows)})
    return extended


def reported_boards(source: Baselines) -> list[Board]:
    """Boards that hold nothing but the figures of one publication."""
    boards = []
    for dataset in dict.fromkeys(entry.dataset for entry in source.entries):
        entries = [entry for entry in source.entries if entry.dataset == dataset]
        boards.append(
            Board(
                suite=source.suites[0] if source.suites else source.name,
                board="",
                dataset=dataset,
                baseline=entries[0].arm,
                test=entries[0].test,
                rows=tuple(_rows(source, dataset)),
                notes=("Reported figures only; nothing was measured.",),
            )
        )
    return boards


def _rows(source: Baselines, dataset: str) -> list[Row]:
    return [
        Row(
            arm=entry.arm,
            reported=True,
            source=", ".join(
                part
                for part in (source.citation, entry.where, f"{entry.test:,} test examples" if entry.test else "")
                if part
            ),
            scores={name: Figure(value=value) for name, value in entry.scores.items()},
        )
        for entry in source.entries
        if entry.dataset == dataset
    ]
