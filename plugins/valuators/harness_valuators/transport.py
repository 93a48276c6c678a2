"""Entropic optimal transport for :class:`harness_valuators.lava.Lava`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from harness_valuators.logistic import prepare

if TYPE_CHECKING:
    from harness.components import ValuationProblem
    from harness.types import FloatArray
    from harness_valuators.lava import Lava


def calibrated_gradients(options: Lava, problem: ValuationProblem, *, device: str) -> FloatArray:
    """``(n_train,)`` float64: dual potential of each training point less the mean of the others'."""
    data = prepare(problem, device=device, dtype=torch.float64)
    # Directions in which the training set does not vary were dropped: they add the same to all distances to a point.
    cost = torch.cdist(data.x, data.x_valid, compute_mode="donot_use_mm_for_euclid_dist").square()
    labels = cost.new_zeros(data.classes, data.classes)
    for a in torch.unique(data.y).tolist():
        for b in torch.unique(data.y_valid).tolist():
            between = cost[data.y == a][:, data.y_valid == b]
            labels[a, b] = _sinkhorn(between, options)[0]
    cost = cost + options.label_weight * labels[data.y][:, data.y_valid]
    potential = _sinkhorn(cost, options)[1]
    n = len(potential)
    others = (potential.sum() - potential) / max(n - 1, 1)
    gradients = potential - others if n > 1 else torch.zeros_like(potential)
    return gradients.cpu().numpy()


def _sinkhorn(cost: torch.Tensor, options: Lava) -> tuple[float, torch.Tensor]:
    """Cost of the transport between uniform masses, and the potential of the rows, in log-space."""
    rows, columns = cost.shape
    epsilon = max(options.regularisation * float(cost.mean()), 1e-12)
    scaled = cost / epsilon
    f, g = cost.new_zeros(rows), cost.new_zeros(columns)
    for _ in range(options.iterations):
        g = math.log(rows) - torch.logsumexp(f[:, None] - scaled, dim=0)
        previous, f = f, math.log(columns) - torch.logsumexp(g[None] - scaled, dim=1)
        if float((f - previous).abs().max()) < 1e-6:
            break
    plan = (f[:, None] + g[None] - scaled).exp() / (rows * columns)
    return float((plan * cost).sum()), f * epsilon
