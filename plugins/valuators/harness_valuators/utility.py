"""Utilities: how good a predictor is on the validation set.

The choice of utility decides how much noise a sampling valuator has to average out: accuracy changes in steps of
``1 / n_valid``, the mean true-class probability with every point. The blind-spot utility asks for what the thesis leaves
open (6.2): values for the mitigation of unknown unknowns itself.
"""

from __future__ import annotations

import torch

from harness.unknowns import confident
from harness_valuators.options import UtilityName

TIE = 1e-4
"""Difference of logits up to which classes are equally probable, as those are that a training set lacks."""


class Utility:
    """A utility on a fixed validation set.

    Args:
        name: ``"probability"``: mean probability of the true class, in [0, 1]. ``"accuracy"``: in [0, 1]. ``"log-loss"``:
            minus the mean negative log-likelihood in nats. ``"blind-spot"``: minus the share of validation points that are
            wrong with confidence ``>= threshold``, in [-1, 0]. Where t classes are equally probable, the prediction is each
            of them with probability 1/t.
        labels: ``(n,)`` int64 true classes.
        threshold: τ of the blind-spot utility.
    """

    def __init__(self, name: UtilityName, labels: torch.Tensor, threshold: float) -> None:
        self.name = name
        self.labels = labels
        self.threshold = threshold

    def per_point(self, logits: torch.Tensor, *, smooth: bool = False) -> torch.Tensor:
        """Utility of each point.

        Args:
            logits: ``(n, M, K)``.
            smooth: Replace the steps of ``accuracy`` and ``blind-spot`` by sigmoids, so that it can be differentiated.

        Returns:
            ``(n, M)``.
        """
        n, draws, classes = logits.shape
        own = self.labels[:, None, None].expand(n, draws, 1)
        if classes == 2 and self.name in {"probability", "log-loss"}:  # the same by one exponential
            margin = (2 * self.labels - 1)[:, None] * (logits[..., 1] - logits[..., 0])
            return margin.sigmoid() if self.name == "probability" else torch.nn.functional.logsigmoid(margin)
        if self.name == "log-loss":
            return logits.gather(2, own)[..., 0] - logits.logsumexp(-1)
        if self.name == "probability":
            return (logits.gather(2, own)[..., 0] - logits.logsumexp(-1)).exp()
        if not smooth:
            top = logits.amax(-1)
            tied = logits >= top[..., None] - TIE
            right = tied.gather(2, own)[..., 0] / tied.sum(-1)
            if self.name == "accuracy":
                return right.to(logits.dtype)
            sure: torch.Tensor = confident((top - logits.logsumexp(-1)).exp(), self.threshold)
            return -(sure * (1 - right)).to(logits.dtype)
        others = logits.masked_fill(torch.nn.functional.one_hot(self.labels, classes)[:, None].bool(), float("-inf"))
        if self.name == "accuracy":
            return (4 * (logits.gather(2, own)[..., 0] - others.amax(-1))).sigmoid()
        wrong = logits.softmax(-1).gather(2, others.argmax(-1, keepdim=True))[..., 0]
        return -(20 * (wrong - self.threshold)).sigmoid()

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Mean utility of ``M`` predictors: ``(n, M, K)`` logits to ``(M,)`` float64, because values are small differences."""
        return self.per_point(logits).mean(0, dtype=torch.float64)
