"""Distributional Shapley (Ghorbani, Kim, Zou 2020, ICML): the value of a point for sets drawn from its distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness_valuators.data_shapley import PermutationValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class DistributionalShapley(PermutationValuator):
    """Expected gain for sets of fewer than m points of the distribution (Ghorbani et al. 2020). Cost: O(sets * m * d).

    The mean, over sizes 0 to m - 1 and random sets of that size, of what the point adds. It does not depend on which
    other points happen to be in the training set, varies less than the Shapley value, and costs the same for any N. The
    training set stands for the distribution, drawn from without replacement.
    """

    api_version: ClassVar[int] = 1

    _visited_only: ClassVar[bool] = True

    cardinality: int = Field(default=100, ge=1)
    """m: size of the largest set, of at most N points. Fewer than N/m of the `permutations` (here: of m points each) do not
    reach every point; those not reached get value 0."""

    def _weights(self, n: int) -> FloatArray:
        import numpy as np

        return np.ones(min(self.cardinality, n))
