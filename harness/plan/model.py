"""What a suite asks for: the cells that become records, the assessments of valuators, and the stages that lead there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.components.metric import Metric
from harness.records.model import ComponentUse
from harness.stages.assess import Assess
from harness.stages.attack_test import AttackTest
from harness.stages.base import Configured, Stage, stages_of
from harness.stages.elicit import Elicit
from harness.stages.evaluate import Evaluate
from harness.stages.extend import Extend
from harness.stages.fine_tune import FineTune
from harness.stages.generate import Generate
from harness.stages.given import Given
from harness.stages.load import Load
from harness.stages.predict import Predict
from harness.stages.retrain import Retrain
from harness.stages.retrain_without import RetrainWithout
from harness.stages.sample import Sample
from harness.stages.value import Value

if TYPE_CHECKING:
    from harness.suite import Suite


@dataclass(frozen=True, kw_only=True)
class ArmStages:
    """What one arm consists of, in the order of the protocol.

    Attributes:
        load: The data.
        elicit: Its unknown unknowns; ``None``, as the next two, for arms that generate nothing.
        extend: The synthetic examples that it is trained on.
        generate: Those that were made, before the check for leakage.
        values: The data values that weight its loss, else those that guide its selection, else those that order its batches.
        classifier: What is evaluated.
        test: Its probabilities on the test set.
        validation: The same on the validation set.
        attack: The attack on the test set, if the suite has one.
        sample: The part of the test set that it is put to, if that is not all.
    """

    load: Load
    elicit: Elicit | None = None
    extend: Extend | None = None
    generate: Generate | None = None
    values: Value | None = None
    classifier: FineTune | Given
    test: Predict
    validation: Predict
    attack: AttackTest | None = None
    sample: Sample | None = None

    def named(self) -> dict[str, Stage[Any]]:
        """The stages that there are, by the names under which records list them."""
        return stages_of(self)


@dataclass(frozen=True)
class Cell:
    """One arm on one data set under one seed: the unit that becomes a record.

    Attributes:
        dataset: Name of the data set in the suite.
        arm: Name of the arm.
        seed: The repetition's seed.
        evaluate: The stage that everything leads to.
        stages: The stages that lead there.
        cost_metrics: The metrics that need costs, by name: those are known when the record is written, and not before.
        components: The components at work, by role.
        board: Digest of what must be equal for two records to stand on one board.
        definition: The arm as the suite has it.
    """

    dataset: str
    arm: str
    seed: int
    evaluate: Evaluate
    stages: ArmStages
    cost_metrics: Mapping[str, Configured[Metric]]
    components: Mapping[str, ComponentUse]
    board: str
    definition: Mapping[str, Any]

    def targets(self) -> list[Stage[Any]]:
        """The stages whose artifacts its record is written from."""
        counted = (self.stages.load, self.stages.elicit, self.stages.extend)
        read: list[Stage[Any]] = [self.evaluate, *(stage for stage in counted if stage is not None)]
        return [*read, *self.evaluate.inputs().values()] if self.cost_metrics else read


@dataclass(frozen=True)
class Removed:
    """The classifier without a ``share`` of the training set: of highest values, of lowest ones, and at random."""

    share: float
    stages: tuple[RetrainWithout, RetrainWithout, Retrain]


@dataclass(frozen=True)
class Assessment:
    """One valuator on one draw of a data set under one seed, judged by what its values are worth."""

    dataset: str
    valuator: str
    draw: int
    seed: int
    stage: Assess
    retrained: tuple[Retrain, ...] = ()
    """The classifier on random subsets, where retraining judges."""
    removed: tuple[Removed, ...] = ()
    """The classifier without the points of highest and of lowest values, where that is asked for."""

    def targets(self) -> list[Stage[Any]]:
        """The stages whose artifacts it is reported from."""
        without = [stage for one in self.removed for stage in one.stages]
        return [*self.retrained, *without, self.stage, *([self.stage.data] if self.retrained else [])]


@dataclass(frozen=True)
class Plan:
    """Everything a suite asks for."""

    suite: Suite
    cells: tuple[Cell, ...]
    assessments: tuple[Assessment, ...] = ()

    def targets(self) -> list[Stage[Any]]:
        """The stages that have to be there in the end, each once."""
        wanted = [stage for cell in self.cells for stage in cell.targets()]
        wanted += [stage for item in self.assessments for stage in item.targets()]
        return list({stage.id: stage for stage in wanted}.values())

    def stages(self) -> list[Stage[Any]]:
        """All stages, inputs before those who read them, each once."""
        unique: dict[str, Stage[Any]] = {}
        for target in self.targets():
            for stage in target.closure():
                unique.setdefault(stage.id, stage)
        return list(unique.values())
