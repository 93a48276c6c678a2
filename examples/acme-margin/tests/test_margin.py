"""The harness's contract for valuators, and one thing that is true of this method."""

import numpy as np

import harness
from harness.testing import ValuatorContract


class TestMargin(ValuatorContract):
    name = "margin"


def test_a_point_on_the_wrong_side_is_worth_less() -> None:
    x = np.asarray([[0.0], [0.1], [1.0]])
    problem = harness.ValuationProblem(x, np.asarray([0, 1, 1]), np.asarray([[0.0], [1.0]]), np.asarray([0, 1]))
    values = harness.component("valuator", "margin").value(problem, seed=0)
    assert values[1] < 0 < values[0]
    assert values[2] > 0
