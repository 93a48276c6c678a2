"""Records side by side: which arm was measured under which seed, checked to be comparable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.records.model import Record, RecordFolder
from harness.statistics.samples import Sample

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray, IntArray


def on_board(name: str, header: Record) -> bool:
    """Whether a score belongs on a board: times and costs do not, for they differ between equal runs."""
    score = header.scores[name]
    return not (score.volatile or score.metric.rpartition("/")[2] == "cost")


@dataclass(frozen=True)
class Cell:
    """One record of a group."""

    record: RecordFolder

    @property
    def header(self) -> Record:
        """Its header."""
        return self.record.header

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Its predictions.

        Raises:
            InputError: There are none.
        """
        frame = self.record.frame("predictions")
        if frame is None or frame.empty or not {"id", "label"} <= set(frame):
            raise InputError(f"{self.record.folder}: has no predictions per test example (predictions.parquet).")
        return frame

    @property
    def clusters(self) -> list[str]:
        """Name of the cluster of every test example: its text's digest, or its id where the record has no digests."""
        column = "cluster" if "cluster" in self.predictions else "id"
        return self.predictions[column].astype(str).tolist()

    @cached_property
    def contributions(self) -> dict[str, FloatArray]:
        """``(n,)`` contributions of the test examples by score.

        Raises:
            InputError: They are not as many as there are test examples.
        """
        import numpy as np

        frame = self.record.frame("per_example")
        if frame is None:
            return {}
        if len(frame) != len(self.predictions):
            raise InputError(
                f"{self.record.folder}: per_example.parquet has {len(frame)} rows for {len(self.predictions)} test examples."
            )
        return {
            name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in frame.columns
            if name in self.header.scores
        }

    @cached_property
    def replicates(self) -> dict[str, FloatArray]:
        """``(B,)`` values on bootstrap resamples, of the scores that do not decompose."""
        import numpy as np

        frame = self.record.frame("replicates")
        if frame is None:
            return {}
        return {
            name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in frame.columns
            if name in self.header.scores
        }

    def value(self, score: str) -> float | None:
        """The value of a score; ``None`` if the record does not have it or it is not defined."""
        import math

        found = self.header.scores.get(score)
        return None if found is None or found.value is None or not math.isfinite(found.value) else found.value


def probabilities(record: RecordFolder, frame: pd.DataFrame, prefix: str) -> FloatArray:
    """``(n, K)`` float32 of a record's predictions: ``prob`` of the clean texts, ``perturbed_prob`` after the attack.

    Raises:
        InputError: A class has no column.
    """
    import numpy as np

    names = [f"{prefix}_{k}" for k in range(len(record.header.data.labels))]
    if lacking := [name for name in names if name not in frame]:
        raise InputError(f"{record.folder}: column {lacking[0]!r} of the predictions is missing.")
    return frame[names].to_numpy(dtype=np.float32)


class Group:
    """All records of one suite, board and data set, by arm and seed.

    Args:
        records: Of the same suite, board and data set.

    Raises:
        InputError: Two records contradict each other.
    """

    def __init__(self, records: Iterable[RecordFolder]) -> None:
        self.cells: dict[str, dict[int, Cell]] = {}
        for record in sorted(records, key=lambda found: str(found.folder)):
            header = record.header
            known = self.cells.setdefault(header.arm, {}).setdefault(header.seed, Cell(record))
            if known.record is not record and known.header.scores != header.scores:
                raise InputError(
                    f"{known.record.folder} and {record.folder} both hold arm {header.arm!r} under seed {header.seed}, "
                    "with different scores.",
                    hint="Give only one of them, or name the arms differently in their suites.",
                )
        self._check()

    def _check(self) -> None:
        for arm, seeds in self.cells.items():
            one = next(iter(seeds.values()))
            for cell in seeds.values():
                if cell.header.arm_definition != one.header.arm_definition:
                    raise InputError(
                        f"{one.record.folder} and {cell.record.folder} mean different things by arm {arm!r}.",
                        hint="Name the arms differently in their suites.",
                    )
                if cell.header.baseline not in {self.baseline, ""}:
                    raise InputError(
                        f"{cell.record.folder}: compares with arm {cell.header.baseline!r}, other records of its board with "
                        f"{self.baseline!r}.",
                    )
        for seed in self.seeds:
            there = [seeds[seed] for seeds in self.cells.values() if seed in seeds]
            for cell in there[1:]:
                if cell.header.data.fingerprint != there[0].header.data.fingerprint:
                    raise InputError(
                        f"{there[0].record.folder} and {cell.record.folder} were made from different data (fingerprints "
                        f"{there[0].header.data.fingerprint[:12]} and {cell.header.data.fingerprint[:12]}), so they cannot "
                        "stand on one board.",
                    )

    @property
    def header(self) -> Record:
        """The header of the first record: what all have in common can be read from it."""
        return next(iter(next(iter(self.cells.values())).values())).header

    @property
    def baseline(self) -> str:
        """The arm that the records compare with; empty where none of them says so (a run of some arms says nothing)."""
        named = (cell.header.baseline for seeds in self.cells.values() for cell in seeds.values())
        return next(filter(None, named), "")

    @property
    def arms(self) -> list[str]:
        """The arms by name, the baseline first."""
        return sorted(self.cells, key=lambda arm: (arm != self.baseline, arm))

    @property
    def seeds(self) -> list[int]:
        """All seeds."""
        return sorted({seed for seeds in self.cells.values() for seed in seeds})

    @cached_property
    def scores(self) -> list[str]:
        """All scores that belong on a board, in the order in which the metrics gave them."""
        names: dict[str, None] = {}
        for arm in self.arms:
            for _, cell in sorted(self.cells[arm].items()):
                names.update({name: None for name in cell.header.scores if on_board(name, cell.header)})
        return list(names)

    @cached_property
    def cluster_names(self) -> list[str]:
        """All clusters of test examples, of all seeds."""
        return sorted({name for seeds in self.cells.values() for cell in seeds.values() for name in cell.clusters})

    @cached_property
    def _cluster_numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.cluster_names)}

    @cached_property
    def _codes(self) -> dict[int, IntArray]:
        """Number of the cluster of every test example, by seed; checks that all arms have the same examples."""
        import numpy as np

        codes: dict[int, IntArray] = {}
        ids: dict[int, tuple[Cell, list[str]]] = {}
        for arm in self.arms:
            for seed, cell in sorted(self.cells[arm].items()):
                found = cell.predictions["id"].astype(str).tolist()
                if seed not in ids:
                    ids[seed] = cell, found
                    codes[seed] = np.asarray([self._cluster_numbers[name] for name in cell.clusters], dtype=np.int64)
                elif ids[seed][1] != found:
                    raise InputError(
                        f"{ids[seed][0].record.folder} and {cell.record.folder} have the same data and seed but not the "
                        "same test examples in the same order.",
                    )
        return codes

    def samples(self) -> Mapping[tuple[str, int, str], Sample]:
        """The contributions of every decomposing score, by arm, seed and score."""
        found = {}
        for arm in self.arms:
            for seed, cell in sorted(self.cells[arm].items()):
                for name in self.scores:
                    if name in cell.contributions:
                        total = cell.header.scores[name].total
                        found[arm, seed, name] = Sample(cell.contributions[name], self._codes[seed], total)
        return found


def groups(records: Sequence[RecordFolder]) -> list[Group]:
    """Records grouped by suite, board and data set, in that order.

    Raises:
        InputError: See :class:`Group`.
    """
    keyed: dict[tuple[str, str, str], list[RecordFolder]] = {}
    for record in records:
        header = record.header
        keyed.setdefault((header.suite, header.board, header.dataset), []).append(record)
    return [Group(found) for _, found in sorted(keyed.items())]
