"""The least core (Yan and Procaccia 2021, AAAI): values that no subset has reason to object to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import ValuationProblem
from harness.errors import HarnessError
from harness_valuators.subset_valuator import SubsetValuator

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray


class LeastCore(SubsetValuator):
    """Least-core values by linear programming over random subsets (Yan and Procaccia 2021). Cost: O(samples * N * d) + LP.

    The values add up to the utility of the whole set less that of none, and the largest shortfall of any sampled subset (its
    utility less the sum of its values) is as small as can be. Of all such values those of least norm are taken, so that
    points that are alike get the same. Subsets come with their complements, which keeps the program bounded.
    """

    api_version: ClassVar[int] = 1

    samples: int = Field(default=1000, ge=2)
    """Random subsets (each point in with probability 1/2); the program has as many constraints."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 values in units of the utility.

        Raises:
            harness.errors.HarnessError: The solver of the linear program gives up.
        """
        import numpy as np

        rng = np.random.default_rng(seed)
        half = rng.random((self.samples // 2, problem.n_train)) < 0.5
        subsets = np.concatenate([half, ~half])
        game = self.game(problem)
        worth = game(subsets) - game.empty
        return least_core(subsets, worth, game.whole - game.empty)


def least_core(subsets: BoolArray, worth: FloatArray, whole: float) -> FloatArray:
    """Least-core values of least norm.

    Args:
        subsets: ``(m, N)`` booleans; with every subset its complement.
        worth: ``(m,)`` what the subsets are worth.
        whole: What the set of all is worth.

    Returns:
        ``(N,)`` float64.

    Raises:
        harness.errors.HarnessError: The solver gives up.
    """
    import numpy as np
    from scipy.optimize import linprog, minimize

    members = np.asarray(subsets, dtype=np.float64)
    m, n = members.shape
    scale = float(np.abs(worth).max()) or 1.0
    bound, total = worth / scale, whole / scale
    program = linprog(
        np.r_[np.zeros(n), 1.0],
        A_ub=-np.column_stack([members, np.ones(m)]),
        b_ub=-bound,
        A_eq=np.r_[np.ones(n), 0.0][None],
        b_eq=[total],
        bounds=(None, None),
        method="highs",
    )
    if program.status != 0:
        raise HarnessError(f"least-core: the linear program was not solved: {program.message}")
    # The least norm under `members @ v >= bound - e` and `sum(v) = total`, by its dual: v = centred' lam + total / n.
    centred = members - members.mean(axis=1, keepdims=True)
    needed = bound - program.x[-1] - 1e-6 - members.sum(axis=1) * total / n

    def dual(lam: FloatArray) -> tuple[float, FloatArray]:
        moved = centred.T @ lam
        return float(moved @ moved / 2 - needed @ lam), centred @ moved - needed

    solution = minimize(
        dual,
        np.zeros(m),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * m,
        options={"maxiter": 5000, "maxfun": 10000},
    )
    values: FloatArray = (centred.T @ solution.x + total / n) * scale
    return values
