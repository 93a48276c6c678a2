"""Records in the order in which the report shows them: by board, arm and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from harness.records.model import Record, RecordFolder
from harness.report.cells import probabilities
from harness.types import BoolArray, FloatArray, IntArray

POPULATIONS = ("clean", "perturbed", "deployed")
"""``clean``: the test set as it is; ``perturbed``: successful attacks; ``deployed``: every example, attacked where that
succeeded."""


@dataclass(frozen=True)
class Predictions:
    """The predictions of one record, as arrays over the ``n`` test examples.

    Attributes:
        ids: ``(n,)`` names of the test examples.
        labels: ``(n,)`` true classes.
        probs: ``(n, K)`` float32 probabilities of the clean examples.
        after: ``(n, K)`` float32 probabilities after the attack, the clean ones where it did not succeed; ``None`` without
            an attack.
        succeeded: ``(n,)`` whether the attack succeeded; all false without one.
        tags: ``(n,)`` tuples of subpopulation names.
    """

    ids: tuple[str, ...]
    labels: IntArray
    probs: FloatArray
    after: FloatArray | None
    succeeded: BoolArray
    tags: tuple[tuple[str, ...], ...]

    @classmethod
    def read(cls, record: RecordFolder) -> Predictions:
        """Read the predictions of a record."""
        frame = record.frame("predictions")
        if frame is None:
            frame = pd.DataFrame({"id": [], "label": [], "prob_0": [], "prob_1": []})
        probs = probabilities(record, frame, "prob")
        n = len(frame)
        succeeded, after = np.zeros(n, dtype=bool), None
        if "status" in frame and "perturbed_prob_0" in frame and frame["status"].notna().any():
            succeeded = (frame["status"] == "succeeded").to_numpy(bool)
            attacked = probabilities(record, frame, "perturbed_prob")
            after = np.where(succeeded[:, None], attacked, probs)
        tags = frame["tags"] if "tags" in frame else [()] * n
        return cls(
            tuple(frame["id"].astype(str)),
            frame["label"].to_numpy(np.int64),
            probs,
            after,
            succeeded,
            tuple(() if entry is None else tuple(str(tag) for tag in entry) for entry in tags),
        )

    def population(self, name: str) -> tuple[FloatArray, BoolArray]:
        """Confidence and whether the prediction is wrong, over a population (one of :data:`POPULATIONS`)."""
        probs = self.probs if name == "clean" or self.after is None else self.after
        confidence, wrong = probs.max(axis=1), probs.argmax(axis=1) != self.labels
        if name == "perturbed":
            return confidence[self.succeeded], wrong[self.succeeded]
        return confidence, wrong

    def uus(self, tau: float) -> BoolArray:
        """``(n,)``: whether the example is an unknown unknown as deployed, a wrong prediction with confidence >= tau."""
        confidence, wrong = self.population("deployed")
        return wrong & (confidence >= np.float32(tau))


@dataclass
class Board:
    """What stands on one board: the records of a data set that may be compared with one another.

    Attributes:
        key: Short name used in element ids.
        title: What the section is called: the data set, with the suite where there are several.
        records: By arm (in the suite's order) and seed.
        palette: All arms of the page, in the order of their colours, so that an arm has one colour on all boards.
    """

    key: str
    title: str
    records: dict[tuple[str, int], RecordFolder]
    palette: tuple[str, ...] = ()
    _predictions: dict[tuple[str, int], Predictions] = field(default_factory=dict)

    @cached_property
    def header(self) -> Record:
        """The header of the baseline's first record, or of the first record where the baseline is missing."""
        return self.records[self.baseline, self.seeds_of(self.baseline)[0]].header

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Arms, the baseline first."""
        names = dict.fromkeys(arm for arm, _ in self.records)
        return tuple(sorted(names, key=lambda arm: arm != self.baseline))

    @cached_property
    def baseline(self) -> str:
        """The arm that others are compared with: the suite's baseline where it was run."""
        wanted = next((found.header.baseline for found in self.records.values() if found.header.baseline), "")
        names = [arm for arm, _ in self.records]
        return wanted if wanted in names else names[0]

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, ascending."""
        return tuple(sorted({seed for _, seed in self.records}))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Confidence thresholds, the first is the primary one."""
        return self.header.thresholds

    @property
    def attacked(self) -> bool:
        """Whether any record has an attack on the test set."""
        return any(self.predictions(*key).after is not None for key in self.records)

    @property
    def populations(self) -> tuple[str, ...]:
        """The populations that exist here."""
        return POPULATIONS if self.attacked else POPULATIONS[:1]

    def seeds_of(self, arm: str) -> list[int]:
        """Seeds under which an arm was run, ascending."""
        return sorted(seed for name, seed in self.records if name == arm)

    def predictions(self, arm: str, seed: int) -> Predictions:
        """Predictions of one record, read once."""
        key = (arm, seed)
        if key not in self._predictions:
            self._predictions[key] = Predictions.read(self.records[key])
        return self._predictions[key]


def group_records(records: Sequence[RecordFolder]) -> list[Board]:
    """Records by board, in the order of their first appearance; arms in the order in which the records come."""
    groups: dict[tuple[str, str, str], dict[tuple[str, int], RecordFolder]] = {}
    for record in records:
        header = record.header
        groups.setdefault((header.suite, header.dataset, header.board), {})[header.arm, header.seed] = record
    suites = {suite for suite, _, _ in groups}
    boards = []
    for position, ((suite, dataset, board), members) in enumerate(groups.items()):
        title = dataset if len(suites) == 1 else f"{dataset} ({suite})"
        if sum((suite, dataset) == key[:2] for key in groups) > 1:
            title += f", board {board[:8]}"
        boards.append(Board(f"data-{position + 1}", title, members))
    palette = tuple(
        dict.fromkeys([*(board.baseline for board in boards), *(arm for board in boards for arm in board.arms)])
    )
    for member in boards:
        member.palette = palette
    return boards
