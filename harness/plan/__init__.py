"""From a suite to a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.plan.model import ArmStages, Assessment, Cell, Plan
from harness.plan.protocol import Interned, Protocol
from harness.seeds import derive_seed

if TYPE_CHECKING:
    from harness.suite import Suite
    from harness.suite.model import Valuation

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
            assessments += _assessments(suite, suite.valuation, dataset, interned)
    return Plan(suite, tuple(cells), tuple(assessments))


def _assessments(suite: Suite, valuation: Valuation, dataset: str, interned: Interned) -> Iterator[Assessment]:
    """Every valuator on every draw of the problem under every seed.

    All seeds value the same problem, so that their values can be compared point by point; the first draw is the problem of
    the suite's first seed.
    """
    for draw in range(valuation.draws):
        seed = derive_seed(suite.seeds[0], "draw", draw) if draw else suite.seeds[0]
        protocol = Protocol(suite, dataset, seed, interned)
        retrained = protocol.retrained(valuation)
        for valuator in suite.valuators:
            for own in suite.seeds:
                stage = protocol.assess(valuator, valuation, own, draw)
                yield Assessment(dataset, valuator, draw, own, stage, retrained, protocol.removed(valuation, stage))
