"""The baseline that most valuation methods fail to beat: how wrong is a model that saw only the validation set."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.options import TorchValuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class Confidence(TorchValuator):
    """Probability of each point's label by a predictor trained on the validation set alone. Cost: one small fit.

    It is the marginal information that DVRL starts from (Yoon et al. 2020, section 3.2), used as a value in itself.
    """

    api_version: ClassVar[int] = 1

    l2: float = Field(default=1.0, gt=0.0)
    """L2 penalty of the predictor, as the inverse of scikit-learn's C, on features of mean square norm 1."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 probabilities in ``[0, 1]``; nothing is random."""
        from harness_valuators.logistic import prepare, validation_probabilities

        prepared = prepare(problem, device=self.resolve())
        probs = validation_probabilities(prepared, self.l2)
        return probs.gather(1, prepared.y[:, None])[:, 0].double().cpu().numpy()
