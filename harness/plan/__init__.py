"""From a suite to a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.model import ArmStages, Assessment, Cell, Plan
from harness.plan.protocol import Interned, Protocol

if TYPE_CHECKING:
    from harness.suite import Suite

__all__ = ["ArmStages", "Assessment", "Cell", "Plan", "make_plan"]


def make_plan(suite: Suite) -> Plan:
    """The plan of a suite: cells in the order data set, seed, arm; then the assessments of its valuators."""
    cells: list[Cell] = []
    assessments: list[Assessment] = []
    interned = Interned()
    for dataset in suite.datasets:
        for seed in suite.seeds:
            protocol = Protocol(suite, dataset, seed, interned)
            cells.extend(protocol.cell(arm) for arm in suite.arms)
        if suite.valuation is not None:
            # All seeds value the same problem, that of the first, so that their values can be compared point by point.
            first = Protocol(suite, dataset, suite.seeds[0], interned)
            assessments += [
                Assessment(dataset, valuator, seed, first.assess(valuator, suite.valuation, seed))
                for valuator in suite.valuators
                for seed in suite.seeds
            ]
    return Plan(suite, tuple(cells), tuple(assessments))
