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

    Training starts at the solution for all points, which is near that of any large random subset.

    Args:
        problem: The problem.
        utility: Name of the utility.
        threshold: τ of the blind-spot utility.
        l2: Penalty of the predictor.
        steps: Preconditioned steps from the start.
        batch: Predictors trained at once.
        device: Where to compute.
    """

    def __init__(
        self,
        problem: ValuationProblem,
        *,
        utility: UtilityName,
        threshold: float,
        l2: float,
        steps: int,
        batch: int,
        device: str,
    ) -> None:
        self.data = prepare(problem, device=device)
        self.utility = Utility(utility, self.data.y_valid, threshold)
        self.model = Logistic(self.data.x, self.data.y, self.data.classes, l2, self.data.spectrum)
        self.start = self.model.fit()
        self.steps, self.batch, self.device = steps, batch, device
        self.whole = float(self.worth(self.start)[0])
        self.empty = float(self.worth(self.model.zeros())[0])

    def worth(self, theta: torch.Tensor) -> torch.Tensor:
        """``(M,)`` utilities of predictors."""
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
                yield rows, self.model.steps(start, part, self.steps, part.sum(0))
                bar.advance(part.shape[1])

    def __call__(self, weights: BoolArray | IntArray) -> FloatArray:
        """``(M,)`` float64 utilities of ``(M, N)`` weights."""
        values = np.empty(len(weights))
        for rows, theta in self.predictors(weights):
            values[rows] = self.worth(theta).double().cpu().numpy()
        return values

    def slope(self, weight: float) -> FloatArray:
        """``(N,)`` float64: effect of each point's weight on the utility, to first order, where all have ``weight``."""
        weights = torch.full_like(self.model.x[:, 0], weight)
        theta = self.model.fit(weights)
        pulls = pull(self.model, self.utility, theta, self.data.x_valid) / len(self.data.x_valid)
        return slope(self.model, theta, weights, pulls, self.data.x_valid).double().cpu().numpy()
