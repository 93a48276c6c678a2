"""What a suite asks for: the cells that become records, the assessments of valuators, and the stages that lead there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.records.model import ComponentUse
from harness.stages.assess import Assess
from harness.stages.base import Stage
from harness.stages.evaluate import Evaluate

if TYPE_CHECKING:
    from harness.suite import Suite


@dataclass(frozen=True)
class Cell:
    """One arm on one data set under one seed: the unit that becomes a record.

    Attributes:
        dataset: Name of the data set in the suite.
        arm: Name of the arm.
        seed: The repetition's seed.
        evaluate: The stage that everything leads to.
        stages: The stages that lead there, by what they are to the arm.
        components: The components at work, by role.
        board: Digest of what must be equal for two records to stand on one board.
        definition: The arm as the suite has it.
    """

    dataset: str
    arm: str
    seed: int
    evaluate: Evaluate
    stages: Mapping[str, Stage]
    components: Mapping[str, ComponentUse]
    board: str
    definition: Mapping[str, Any]

    def targets(self) -> list[Stage]:
        """The stages whose artifacts its record is written from."""
        return [self.evaluate, *(self.stages[role] for role in ("load", "elicit", "extend") if role in self.stages)]


@dataclass(frozen=True)
class Assessment:
    """One valuator on one data set under one seed, judged by what its values are worth."""

    dataset: str
    valuator: str
    seed: int
    stage: Assess

    def targets(self) -> list[Stage]:
        """The stages whose artifacts it is reported from."""
        return [self.stage]


@dataclass(frozen=True)
class Plan:
    """Everything a suite asks for."""

    suite: Suite
    cells: tuple[Cell, ...]
    assessments: tuple[Assessment, ...] = ()

    def targets(self) -> list[Stage]:
        """The stages that have to be there in the end, each once."""
        wanted = [stage for cell in self.cells for stage in cell.targets()]
        wanted += [stage for item in self.assessments for stage in item.targets()]
        return list({stage.id: stage for stage in wanted}.values())

    def stages(self) -> list[Stage]:
        """All stages, inputs before those who read them, each once."""
        unique: dict[str, Stage] = {}
        for target in self.targets():
            for stage in target.closure():
                unique.setdefault(stage.id, stage)
        return list(unique.values())
