"""GraNd scores (Paul et al. 2021, NeurIPS), of the last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.components import ValuationProblem
from harness_valuators.network import Hardness, errors

if TYPE_CHECKING:
    from harness.types import FloatArray


class Grand(Hardness):
    """Length of the loss's gradient by the last layer, early in training (Paul et al. 2021). Cost: O(N * (K + d)).

    In closed form: the gradient is an outer product, whose length is that of the error times that of the features and a 1.
    """

    api_version: ClassVar[int] = 1

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 lengths, negative where `easy` points are preferred; nothing is random."""
        import numpy as np

        logits, features = self.early(problem.trajectory)
        wrong = errors(logits, problem.y_train)
        square = (features.astype(np.float64) ** 2).sum(axis=1) + 1
        return self.signed(np.linalg.norm(wrong, axis=1) * np.sqrt(square))
