"""LAVA (Just et al. 2023, ICLR): values from optimal transport between training and validation set, without a predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.options import TorchValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class Lava(TorchValuator):
    """Calibrated gradients of the class-wise Wasserstein distance to the validation set (Just et al. 2023).

    Cost: O(iterations * N * n_valid). The distance between two labelled points is the squared distance of their features
    plus ``label_weight`` times the Wasserstein distance between the two classes' features, one taken from the training set
    and one from the validation set. A point's value is minus what the distance of the sets grows by when the point gets more
    mass at the cost of the others.
    """

    api_version: ClassVar[int] = 1

    label_weight: float = Field(default=1.0, ge=0.0)
    """Weight of the distance between labels."""

    regularisation: float = Field(default=0.05, gt=0.0)
    """Entropic regularisation of the transport, in units of the mean cost."""

    iterations: int = Field(default=5000, ge=1)
    """Largest number of Sinkhorn iterations; they stop when the potentials have settled."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 values in units of squared distance; they sum to 0; nothing is random."""
        from harness_valuators.transport import calibrated_gradients

        return -calibrated_gradients(self, problem, device=self.resolve())
