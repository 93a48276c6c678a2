"""Dataset cartography (Swayamdipta et al. 2020, EMNLP)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from harness.components import ValuationProblem
from harness_valuators.network import Recording, probabilities, true_class

if TYPE_CHECKING:
    from harness.types import FloatArray


class Cartography(Recording):
    """Mean or spread of the label's probability over epochs (Swayamdipta et al. 2020, section 2). Cost: O(E * N * K).

    The paper describes the states at the ends of epochs (`recorded: after`); by default it is the passes of training.
    """

    api_version: ClassVar[int] = 1

    measure: Literal["confidence", "variability", "correctness"] = "confidence"
    """`confidence`: the mean, high for easy points and low for wrong labels. `variability`: the standard deviation, high for
    ambiguous points, which are said to be those that help. `correctness`: the share of epochs with the right prediction."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 in ``[0, 1]``; nothing is random."""
        y = problem.y_train
        logits, _ = self.seen(problem.trajectory)
        if self.measure == "correctness":
            right: FloatArray = (logits.argmax(axis=2) == y).mean(axis=0)
            return right
        found = true_class(probabilities(logits), y)
        values: FloatArray = found.mean(axis=0) if self.measure == "confidence" else found.std(axis=0)
        return values
