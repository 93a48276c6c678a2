"""First-order effect of the points' weights on the utility of the logistic predictor: influence functions."""

from __future__ import annotations

import torch

from harness_valuators.logistic import Logistic
from harness_valuators.utility import Utility


def pull(model: Logistic, utility: Utility, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """``(n, C)`` derivatives of each point's (smoothed) utility by its scores under one predictor ``(D, 1, C)``."""
    scores = model.scores(theta, x).detach().requires_grad_()
    total = utility.per_point(model.logits(scores), smooth=True).sum()
    return torch.autograd.grad(total, scores)[0][:, 0]


def slope(
    model: Logistic,
    theta: torch.Tensor,
    weights: torch.Tensor,
    pulls: torch.Tensor,
    x: torch.Tensor,
    *,
    iterations: int = 30,
) -> torch.Tensor:
    """Derivative of a sum of utilities by the weight of each training point.

    With the Hessian H at the predictor's solution, a unit of weight on point i moves the parameters by
    ``H^-1 x_i (target_i - p_i)`` (Koh and Liang 2017, eq. 1).

    Args:
        model: The regression.
        theta: ``(D, 1, C)`` its solution.
        weights: ``(N,)`` weights that the solution is for.
        pulls: ``(n, C)`` derivatives of the utilities by the scores of the points that they are measured on.
        x: ``(n, D)`` those points.
        iterations: Conjugate gradient iterations.

    Returns:
        ``(N,)``.
    """
    adjoint = model.solve(theta, weights, (x.T @ pulls)[:, None], iterations=iterations)
    return along(model, theta, adjoint)[:, 0]


def along(model: Logistic, theta: torch.Tensor, adjoint: torch.Tensor) -> torch.Tensor:
    """``(N, R)`` derivatives by the points' weights of ``R`` sums of utilities, from :meth:`Logistic.solve`'s ``(D, R, C)``."""
    return (model.residuals(theta) * model.scores(adjoint)).sum(2)
