"""Label quality by confident learning (Northcutt, Jiang and Chuang 2021, JAIR)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from harness.components import Looks, ValuationProblem
from harness_valuators.network import TrajectoryValuator, probabilities, true_class

if TYPE_CHECKING:
    from harness.types import FloatArray


class SelfConfidence(TrajectoryValuator):
    """The label's probability, or its margin, after fine-tuning (Northcutt et al. 2021). Cost: O(N * K).

    Confident learning is for probabilities of networks that have not seen the point; these have, for no more than the epochs
    of a fine-tuning. It is looked at once, without dropout. The scores are those of the package cleanlab.
    """

    api_version: ClassVar[int] = 1

    measure: Literal["self-confidence", "normalized-margin"] = "self-confidence"
    """The label's probability, or half of one more than what it has over the best other class."""

    adjust: bool = False
    """Take from each class the mean probability that it has among its own points, so that one which the network is surer of
    has no higher values for it."""

    def looks(self) -> Looks:
        """See :meth:`harness.components.Valuator.looks`."""
        return Looks(states="last")

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 in ``[0, 1]``; nothing is random."""
        import numpy as np

        y = problem.y_train
        probs = probabilities(problem.trajectory.train_logits[-1])
        if self.adjust:
            own = true_class(probs, y)
            means = [own[y == label].mean() if (y == label).any() else 0.0 for label in range(problem.num_classes)]
            probs = probs - np.asarray(means) + max(means)
            probs /= probs.sum(axis=1, keepdims=True)
        own = true_class(probs, y).copy()
        if self.measure == "self-confidence":
            return own
        probs[np.arange(len(y)), y] = -1.0
        margins: FloatArray = (own - probs.max(axis=1) + 1) / 2
        return margins
