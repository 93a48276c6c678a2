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


@dataclass(frozen=True)
class Assessment:
    """One valuator on one data set under one seed, judged by what its values are worth."""

    dataset: str
    valuator: str
    seed: int
    stage: Assess


@dataclass(frozen=True)
class Plan:
    """Everything a suite asks for."""

    suite: Suite
    cells: tuple[Cell, ...]
    assessments: tuple[Assessment, ...] = ()

    def targets(self) -> list[Stage]:
        """The stages that have to be there in the end."""
        return [*(cell.evaluate for cell in self.cells), *(item.stage for item in self.assessments)]

    def stages(self) -> list[Stage]:
        """All stages, inputs before those who read them, each once."""
        unique: dict[str, Stage] = {}
        for target in self.targets():
            for stage in target.closure():
                unique.setdefault(stage.id, stage)
        return list(unique.values())
