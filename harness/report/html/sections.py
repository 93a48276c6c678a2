"""Records in the order in which the report shows them: a section per board, in it by arm and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.records.model import Record, RecordFolder
from harness.report.groups import Member, by_board
from harness.unknowns import POPULATIONS


@dataclass
class Section:
    """The part of the page about one board: the records of a data set that may be compared with one another.

    Attributes:
        key: Short name used in element ids.
        title: What the section is called: the data set, with the suite where there are several.
        records: By arm (in the suite's order) and seed.
        palette: All arms of the page, in the order of their colours, so that an arm has one colour on all boards.
    """

    key: str
    title: str
    records: dict[tuple[str, int], Member]
    palette: tuple[str, ...] = ()

    @cached_property
    def header(self) -> Record:
        """The header of the baseline's first record, or of the first record where the baseline is missing."""
        return self.first(self.baseline).header

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

    @cached_property
    def attacked(self) -> bool:
        """Whether any record has an attack on the test set."""
        return any(member.succeeded is not None for member in self.records.values())

    @property
    def populations(self) -> tuple[str, ...]:
        """The populations that exist here."""
        return POPULATIONS if self.attacked else POPULATIONS[:1]

    def seeds_of(self, arm: str) -> list[int]:
        """Seeds under which an arm was run, ascending."""
        return sorted(seed for name, seed in self.records if name == arm)

    def of(self, arm: str) -> list[Member]:
        """The records of an arm, by ascending seed."""
        return [self.records[arm, seed] for seed in self.seeds_of(arm)]

    def first(self, arm: str) -> Member:
        """The record of an arm under its first seed: the one whose examples are shown."""
        return self.of(arm)[0]


def sections(records: Sequence[RecordFolder]) -> list[Section]:
    """A section per board, in the order of their first appearance; arms in the order in which the records come."""
    groups = by_board(records)
    suites = {key.suite for key in groups}
    found = []
    for position, (key, members) in enumerate(groups.items()):
        title = key.dataset if len(suites) == 1 else f"{key.dataset} ({key.suite})"
        if sum((key.suite, key.dataset) == (other.suite, other.dataset) for other in groups) > 1:
            title += f", board {key.board[:8]}"
        by_run = {(record.header.arm, record.header.seed): Member(record) for record in members}
        found.append(Section(f"data-{position + 1}", title, by_run))
    arms = [*(section.baseline for section in found), *(arm for section in found for arm in section.arms)]
    for section in found:
        section.palette = tuple(dict.fromkeys(arms))
    return found
