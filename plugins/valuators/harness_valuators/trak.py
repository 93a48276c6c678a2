"""TRAK (Park et al. 2023, ICML), of the last layer or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Looks, ValuationProblem
from harness_valuators.network import Layers, TrajectoryValuator, gradients, probabilities, true_class

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray


class Trak(TrajectoryValuator):
    """Influence on validation margins by randomly projected gradients (Park et al. 2023). Cost: O(N * K * d * k + k^3).

    Eq. 13 with the gradients of the last layer after fine-tuning, whose other layers count as fixed, or with those of the whole
    network, as in the paper: O(N * k^2 + k^3), and a backward pass over all points. One network, where the paper averages over
    several.
    """

    api_version: ClassVar[int] = 1

    layers: Layers = "last"
    """Gradients by the parameters of the last layer, or of all layers."""

    dimensions: int = Field(default=512, ge=1)
    """Size k of the projection; gradients that are no larger are taken as they are. Of `all` layers the seed of fine-tuning
    draws it."""

    damping: float = Field(default=1e-3, ge=0)
    """Added to the diagonal of the gradients' second moments, as a share of its mean."""

    def looks(self) -> Looks:
        """See :meth:`harness.components.Valuator.looks`."""
        return Looks(states="last", gradients=self.dimensions if self.layers == "all" else 0)

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64: what the point adds to the mean validation margin (in logits), to first order.

        Where gradients have more than k numbers, the seed draws the projection.
        """
        train, solved = self._sides(problem, seed)
        values: FloatArray = train @ solved.mean(axis=1)
        return values

    def attributions(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train, n_valid)`` float64: what the point adds to each validation point's margin (in logits), to first order."""
        train, solved = self._sides(problem, seed)
        found: FloatArray = train @ solved
        return found

    def _sides(self, problem: ValuationProblem, seed: int) -> tuple[FloatArray, FloatArray]:
        """Training points' gradients ``(n_train, k)``, scaled by what they miss, and the solved ones of validation points."""
        import numpy as np

        t = problem.trajectory
        train, valid = gradients(t, -1) if self.layers == "all" else self._of_last_layer(problem, seed)
        moments = train.T @ train
        size = self.damping * np.trace(moments) / len(moments)
        moments[np.diag_indices(len(moments))] += size
        missing = 1 - true_class(probabilities(t.train_logits[-1]), problem.y_train)
        return train * missing[:, None], np.linalg.lstsq(moments, valid.T, rcond=None)[0]

    def _of_last_layer(self, problem: ValuationProblem, seed: int) -> tuple[FloatArray, FloatArray]:
        import numpy as np

        t = problem.trajectory
        k, width = problem.num_classes, t.train_features.shape[2] + 1
        projection = None
        if k * width > self.dimensions:
            rng = np.random.default_rng(seed)
            projection = rng.standard_normal((k, width, self.dimensions)) / np.sqrt(self.dimensions)
        return (
            _projected(t.train_logits[-1], t.train_features[-1], problem.y_train, projection),
            _projected(t.valid_logits[-1], t.valid_features[-1], problem.y_valid, projection),
        )


def _projected(logits: FloatArray, features: FloatArray, labels: IntArray, projection: FloatArray | None) -> FloatArray:
    """``(n, k)`` projected gradients of the margins ``log(p / (1 - p))`` by weights and bias of the last layer."""
    import numpy as np

    n = len(labels)
    others = logits.astype(np.float64)
    others[np.arange(n), labels] = -np.inf
    slopes = -probabilities(others)
    slopes[np.arange(n), labels] = 1.0
    inputs = np.column_stack([features.astype(np.float64), np.ones(n)])
    if projection is None:
        return (slopes[:, :, None] * inputs[:, None, :]).reshape(n, -1)
    found = np.zeros((n, projection.shape[2]))
    for label, matrix in enumerate(projection):
        found += slopes[:, label, None] * (inputs @ matrix)
    return found
