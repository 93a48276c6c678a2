"""Utilities of many subsets of the training points at once, for the methods that sample subsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.components import ValuationProblem
from harness.progress import progress
from harness_valuators.logistic import Logistic, prepare
from harness_valuators.options import UtilityName
from harness_valuators.slopes import pull, slope
from harness_valuators.utility import Utility

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.types import BoolArray, FloatArray, IntArray


class SubsetUtility:
    """The utility of logistic predictors trained on weighted points of one problem.

    Training starts at the solution for all points, which is near that of any large random subset, and goes on until what is
    left of the way from there to the subset's own solution is a share ``tolerance`` of it: an error in the utility of about
    that share of what the subset's differs from the whole set's, however small that is (leave-one-out).

    Args:
        problem: The problem.
        utility: Name of the utility.
        threshold: τ of the blind-spot utility.
        l2: Penalty of the predictor.
        tolerance: The share.
        limit: Largest number of iterations.
        batch: Predictors trained at once.
        device: Where to compute.

    Attributes:
        whole: Utility of the set of all points.
        empty: Utility of no points.
    """

    def __init__(
        self,
        problem: ValuationProblem,
        *,
        utility: UtilityName,
        threshold: float,
        l2: float,
        tolerance: float,
        limit: int,
        batch: int,
        device: str,
    ) -> None:
        self.precise = prepare(problem, device=device, dtype=torch.float64)
        self.data = self.precise.to(torch.float32)
        self.utility = Utility(utility, self.data.y_valid, threshold)
        self.model = Logistic.of(self.data, l2)
        solution = Logistic.of(self.precise, l2).fit()
        self.start = solution.to(torch.float32)
        self.tolerance, self.limit, self.batch, self.device = tolerance, limit, batch, device
        self.whole = float(self.worth(self.start)[0])
        self.empty = float(self.worth(self.model.zeros())[0])

    def worth(self, theta: torch.Tensor) -> torch.Tensor:
        """``(M,)`` float64 utilities of predictors."""
        return self.utility(self.model.logits(self.model.scores(theta, self.data.x_valid)))

    def predictors(self, weights: BoolArray | IntArray) -> Iterator[tuple[slice, torch.Tensor]]:
        """Train on weighted points.

        Args:
            weights: ``(M, N)`` non-negative numbers, or booleans.

        Yields:
            Rows of ``weights`` and the parameters ``(D, m, C)`` of their predictors.
        """
        with progress("predictors", total=len(weights)) as bar:
            for begin in range(0, len(weights), self.batch):
                rows = slice(begin, min(begin + self.batch, len(weights)))
                part = torch.as_tensor(weights[rows].T, dtype=self.data.x.dtype, device=self.device)
                start = self.start.expand(-1, part.shape[1], -1)
                theta = self.model.converge(start, part, part.sum(0), tolerance=self.tolerance, limit=self.limit)
                yield rows, self._even(theta, part)
                bar.advance(part.shape[1])

    def _even(self, theta: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Make classes that a set lacks equally probable, and all classes for an empty set, as they are at the solution."""
        held = torch.nn.functional.one_hot(self.data.y, self.data.classes).to(weights.dtype).T @ weights
        absent = (held == 0).T
        if not bool((absent.sum(1) > 1).any()):
            return theta
        if theta.shape[2] == 1:
            return torch.where(absent.all(1)[None, :, None], 0.0, theta)
        mean = (theta * absent).sum(2) / absent.sum(1).clamp_min(1)
        even = torch.where(absent, mean[..., None], theta)
        return torch.where(absent.all(1)[None, :, None], 0.0, even)

    def __call__(self, weights: BoolArray | IntArray) -> FloatArray:
        """``(M,)`` float64 utilities of ``(M, N)`` weights."""
        values = np.empty(len(weights))
        for rows, theta in self.predictors(weights):
            values[rows] = self.worth(theta).cpu().numpy()
        return values

    def slope(self, weight: float) -> FloatArray:
        """``(N,)`` float64: effect of each point's weight on the utility, to first order, where all have ``weight``."""
        model = Logistic.of(self.precise, self.model.l2)
        weights = torch.full_like(model.x[:, 0], weight)
        theta = model.fit(weights)
        pulls = pull(model, self.utility, theta, self.precise.x_valid) / len(self.precise.x_valid)
        return slope(model, theta, weights, pulls, self.precise.x_valid).cpu().numpy()
