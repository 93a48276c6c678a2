"""Records side by side: which arm was measured under which seed, checked to be comparable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from harness.components.metric import UNATTACKED
from harness.errors import InputError
from harness.records.model import Record, RecordFolder, ScoreRecord
from harness.report.derived import brier, brier_score, lacking_proper
from harness.statistics.samples import Sample
from harness.unknowns import CLEAN, DEPLOYED, Predictions, separate

if TYPE_CHECKING:
    import pandas as pd

    from harness.report.model import Board
    from harness.types import BoolArray, FloatArray, IntArray


class BoardKey(NamedTuple):
    """What records have in common that may stand on one board."""

    suite: str
    board: str
    dataset: str

    @classmethod
    def of(cls, found: Record | Board) -> BoardKey:
        """The key of a record's header, or of the board that was made of such records."""
        return cls(found.suite, found.board, found.dataset)


def by_board(records: Iterable[RecordFolder]) -> dict[BoardKey, list[RecordFolder]]:
    """Records by the board that they belong to, in the order of their first appearance."""
    found: dict[BoardKey, list[RecordFolder]] = {}
    for record in records:
        found.setdefault(BoardKey.of(record.header), []).append(record)
    return found


@dataclass(frozen=True)
class Member:
    """One record of a group, with what is read from its files."""

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

    @cached_property
    def ids(self) -> list[str]:
        """Names of the test examples."""
        return self.predictions["id"].astype(str).tolist()

    @cached_property
    def populations(self) -> dict[str, Predictions]:
        """The predictions over each population, as of :func:`harness.unknowns.separate`.

        Raises:
            InputError: A class has no column.
        """
        import numpy as np

        frame = self.predictions
        labels, probs = frame["label"].to_numpy(np.int64), probabilities(self.record, frame, "prob")
        if self.succeeded is None:
            return separate(labels, probs)
        attacked = probabilities(self.record, frame, "perturbed_prob")
        return separate(labels, probs, attacked, self.succeeded, (frame["status"] != UNATTACKED).to_numpy(bool))

    @cached_property
    def deployed(self) -> Predictions:
        """The predictions after the attack on every test example; the clean ones of those that were not attacked."""
        found = self.populations.get(DEPLOYED, self.populations[CLEAN])
        return Predictions.all(found.labels, found.probs)

    @cached_property
    def tags(self) -> list[tuple[str, ...]]:
        """Names of the subpopulations that each test example belongs to."""
        return tags_of(self.predictions)

    @cached_property
    def succeeded(self) -> BoolArray | None:
        """``(n,)`` where the attack on the test set succeeded; ``None`` without an attack."""
        if "status" not in self.predictions or self.predictions["status"].isna().all():
            return None
        return (self.predictions["status"] == "succeeded").to_numpy(bool)

    def table(self, name: str, columns: Set[str]) -> pd.DataFrame | None:
        """The table of that name that a metric stored, if it has all the columns.

        Raises:
            InputError: The file is damaged.
        """
        if name not in self._tables:
            paths = {path.rpartition(".")[2]: path for path in self.record.tables()}
            self._tables[name] = self.record.frame(paths[name]) if name in paths else None
        found = self._tables[name]
        return found if found is not None and columns <= set(found.columns) else None

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame | None]:
        return {}

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
            return self._derived
        if len(frame) != len(self.predictions):
            raise InputError(
                f"{self.record.folder}: per_example.parquet has {len(frame)} rows for {len(self.predictions)} test examples."
            )
        return {
            name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in frame.columns
            if name in self.header.scores
        } | self._derived

    @cached_property
    def scores(self) -> dict[str, ScoreRecord]:
        """Its scores, and those that are derived (:mod:`harness.report.derived`)."""
        return self.header.scores | {name: brier_score(each) for name, each in self._derived.items()}

    @cached_property
    def _derived(self) -> dict[str, FloatArray]:
        lacking = lacking_proper(self.header.scores)
        return {f"brier/{part}": brier(self.populations[part]) for part in lacking if part in self.populations}

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

        found = self.scores.get(score)
        return None if found is None or found.value is None or not math.isfinite(found.value) else found.value


def tags_of(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """The tags of every row of a file of predictions; none where it has no such column, or no value there."""
    found = frame["tags"] if "tags" in frame else [None] * len(frame)
    return [() if entry is None else tuple(str(tag) for tag in entry) for entry in found]


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
        self.members: dict[str, dict[int, Member]] = {}
        for record in sorted(records, key=lambda found: str(found.folder)):
            header = record.header
            known = self.members.setdefault(header.arm, {}).setdefault(header.seed, Member(record))
            if known.record is not record and known.header.scores != header.scores:
                raise InputError(
                    f"{known.record.folder} and {record.folder} both hold arm {header.arm!r} under seed {header.seed}, "
                    "with different scores.",
                    hint="Give only one of them, or name the arms differently in their suites.",
                )
        self._check()

    def _check(self) -> None:
        for arm, seeds in self.members.items():
            one = next(iter(seeds.values()))
            for member in seeds.values():
                if member.header.arm_definition != one.header.arm_definition:
                    raise InputError(
                        f"{one.record.folder} and {member.record.folder} mean different things by arm {arm!r}.",
                        hint="Name the arms differently in their suites.",
                    )
                if member.header.baseline not in {self.baseline, ""}:
                    raise InputError(
                        f"{member.record.folder}: compares with arm {member.header.baseline!r}, other records of its "
                        f"board with {self.baseline!r}.",
                    )
                if member.header.primary != self.header.primary:
                    raise InputError(
                        f"{member.record.folder}: is ranked by {member.header.primary or 'the default score'}, other "
                        f"records of its board by {self.header.primary or 'the default score'}.",
                        hint="Run the suite again: nothing is computed anew, and all its records get its `primary`.",
                    )
        for seed in self.seeds:
            there = [seeds[seed] for seeds in self.members.values() if seed in seeds]
            for member in there[1:]:
                if member.header.data.fingerprint != there[0].header.data.fingerprint:
                    raise InputError(
                        f"{there[0].record.folder} and {member.record.folder} were made from different data (fingerprints "
                        f"{there[0].header.data.fingerprint[:12]} and {member.header.data.fingerprint[:12]}), so they cannot "
                        "stand on one board.",
                    )

    @property
    def header(self) -> Record:
        """The header of the first record: what all have in common can be read from it."""
        return next(iter(next(iter(self.members.values())).values())).header

    @property
    def baseline(self) -> str:
        """The arm that the records compare with; empty where none of them says so (a run of some arms says nothing)."""
        named = (member.header.baseline for seeds in self.members.values() for member in seeds.values())
        return next(filter(None, named), "")

    @property
    def arms(self) -> list[str]:
        """The arms by name, the baseline first."""
        return sorted(self.members, key=lambda arm: (arm != self.baseline, arm))

    @property
    def seeds(self) -> list[int]:
        """All seeds."""
        return sorted({seed for seeds in self.members.values() for seed in seeds})

    @cached_property
    def scores(self) -> list[str]:
        """All scores that belong on a board, in the order in which the metrics gave them.

        Volatile ones do not: times and costs differ between equal runs.
        """
        names: dict[str, None] = {}
        for arm in self.arms:
            for _, member in sorted(self.members[arm].items()):
                names.update({name: None for name, score in member.scores.items() if not score.volatile})
        return list(names)

    @cached_property
    def cluster_names(self) -> list[str]:
        """All clusters of test examples, of all seeds."""
        return sorted(
            {name for seeds in self.members.values() for member in seeds.values() for name in member.clusters}
        )

    @cached_property
    def _cluster_numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.cluster_names)}

    @cached_property
    def _codes(self) -> dict[int, IntArray]:
        """Number of the cluster of every test example, by seed; checks that all arms have the same examples."""
        import numpy as np

        codes: dict[int, IntArray] = {}
        ids: dict[int, tuple[Member, list[str]]] = {}
        for arm in self.arms:
            for seed, member in sorted(self.members[arm].items()):
                found = member.ids
                if seed not in ids:
                    ids[seed] = member, found
                    codes[seed] = np.asarray([self._cluster_numbers[name] for name in member.clusters], dtype=np.int64)
                elif ids[seed][1] != found:
                    raise InputError(
                        f"{ids[seed][0].record.folder} and {member.record.folder} have the same data and seed but not the "
                        "same test examples in the same order.",
                    )
        return codes

    def samples(self) -> Mapping[tuple[str, int, str], Sample]:
        """The contributions of every decomposing score, by arm, seed and score."""
        found = {}
        for arm in self.arms:
            for seed, member in sorted(self.members[arm].items()):
                for name in self.scores:
                    if name in member.contributions:
                        total = member.scores[name].total
                        found[arm, seed, name] = Sample(member.contributions[name], self._codes[seed], total)
        return found


def groups(records: Sequence[RecordFolder]) -> list[Group]:
    """Records grouped by suite, board and data set, in that order.

    Raises:
        InputError: See :class:`Group`.
    """
    return [Group(found) for _, found in sorted(by_board(records).items())]
