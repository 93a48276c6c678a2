"""Many l2-regularised logistic regressions at once, as matrix products.

All predictors share one feature matrix and differ by the weights of the points (0 or 1 for subsets), so a step of all of
them is two matrix products. Features are rotated into the eigenbasis of their Gram matrix, where the curvature bound of
Böhning (1992), ``H <= c * X'WX + l2`` with c = 1/4 for two classes and 1/2 for more, is close to diagonal for random
subsets of any size: a preconditioned step costs no more than a plain gradient step, and a handful of them converge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from harness.components import ValuationProblem


@dataclass(frozen=True)
class Prepared:
    """A valuation problem as tensors, features centred, scaled to mean square norm 1, with a constant, and rotated.

    Attributes:
        x: ``(N, D)`` training features.
        y: ``(N,)`` int64 labels.
        x_valid: ``(n_valid, D)``.
        y_valid: ``(n_valid,)`` int64.
        classes: K.
        spectrum: ``(D,)`` eigenvalues of ``x.T @ x / N``, all positive.
    """

    x: torch.Tensor
    y: torch.Tensor
    x_valid: torch.Tensor
    y_valid: torch.Tensor
    classes: int
    spectrum: torch.Tensor


def prepare(problem: ValuationProblem, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Prepared:
    """Put a problem into the form that :class:`Logistic` works on.

    Directions in which the training points do not vary at all are dropped: no predictor trained on them moves there.
    """
    x = problem.x_train.astype(np.float64)
    mean = x.mean(axis=0)
    x = x - mean
    scale = float(np.sqrt((x**2).sum(axis=1).mean())) or 1.0
    x = np.column_stack([x / scale, np.ones(len(x))])
    valid = np.column_stack([(problem.x_valid.astype(np.float64) - mean) / scale, np.ones(len(problem.y_valid))])
    spectrum, basis = np.linalg.eigh(x.T @ x / len(x))
    kept = spectrum > 1e-10 * spectrum[-1]
    basis, spectrum = basis[:, kept], spectrum[kept]

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=dtype, device=device)

    return Prepared(
        x=tensor(x @ basis),
        y=torch.as_tensor(problem.y_train, device=device),
        x_valid=tensor(valid @ basis),
        y_valid=torch.as_tensor(problem.y_valid, device=device),
        classes=problem.num_classes,
        spectrum=tensor(spectrum),
    )


class Logistic:
    """``M`` logistic regressions on weighted versions of one data set.

    Parameters are tensors ``(D, M, C)`` with C = 1 for two classes (the log-odds of class 1), else K. The objective of
    predictor ``m`` is ``sum_i w[i, m] * CE_i + l2 / 2 * |theta_m|^2``; the constant feature is penalised like the others,
    so it has a solution for any weights: 0, and with it uniform probabilities, for none.

    Args:
        x: ``(N, D)`` features from :func:`prepare`.
        y: ``(N,)`` labels.
        classes: K.
        l2: Penalty.
        spectrum: ``(D,)`` of :class:`Prepared`: what a random point adds to the Gram matrix.
    """

    def __init__(self, x: torch.Tensor, y: torch.Tensor, classes: int, l2: float, spectrum: torch.Tensor) -> None:
        self.x, self.l2, self.classes = x, l2, classes
        self.columns = 1 if classes == 2 else classes
        self.bound = 0.25 if classes == 2 else 0.5
        self.spectrum = spectrum
        self.largest = float((x**2).sum(-1).max())
        self.labels = y
        self.targets = self._targets(y)

    def _targets(self, y: torch.Tensor) -> torch.Tensor:
        onehot = torch.nn.functional.one_hot(y, self.classes).to(self.x.dtype)
        return onehot[:, 1:] if self.columns == 1 else onehot

    def zeros(self, count: int = 1) -> torch.Tensor:
        """Parameters of ``count`` untrained predictors."""
        return self.x.new_zeros(self.x.shape[1], count, self.columns)

    def scores(self, theta: torch.Tensor, x: torch.Tensor | None = None) -> torch.Tensor:
        """``(n, M, C)`` linear scores of the training points, or of ``x``."""
        x = self.x if x is None else x
        return (x @ theta.reshape(theta.shape[0], -1)).reshape(len(x), *theta.shape[1:])

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        """``(n, M, K)`` logits from scores."""
        return torch.cat([-scores / 2, scores / 2], dim=-1) if self.columns == 1 else scores

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """``(n, M, C)``: of class 1 for two classes, else of all classes."""
        return scores.sigmoid() if self.columns == 1 else scores.softmax(-1)

    def residuals(self, theta: torch.Tensor) -> torch.Tensor:
        """``(N, M, C)`` target minus probability: the negative gradient of each point's loss by its scores."""
        return self.targets[:, None] - self.probabilities(self.scores(theta))

    def preconditioner(self, size: torch.Tensor | float) -> torch.Tensor:
        """``(D,)``, or ``(D, M, 1)`` for ``M`` sizes: curvature bound for random subsets of total weight ``size``."""
        spread = self.spectrum
        if isinstance(size, torch.Tensor):
            spread, size = spread[:, None, None], size[None, :, None]
        # A point adds up to its square norm in one direction, whatever the average is; it matters for small subsets only.
        return self.bound * (size * spread + self.largest) + self.l2

    def steps(self, theta: torch.Tensor, weights: torch.Tensor, count: int, size: torch.Tensor | float) -> torch.Tensor:
        """``count`` preconditioned gradient steps from ``theta``.

        Args:
            theta: ``(D, M, C)`` start.
            weights: ``(N, M)`` non-negative.
            count: Number of steps.
            size: Total weight of each predictor's points, for the preconditioner: a number or ``(M,)``.
        """
        scale = self.preconditioner(size)
        if scale.ndim == 1:
            scale = scale[:, None, None]
        for _ in range(count):
            pull = weights[..., None] * self.residuals(theta)
            gradient = (self.x.T @ pull.reshape(len(self.x), -1)).reshape(theta.shape) - self.l2 * theta
            theta = theta + gradient / scale
        return theta

    def fit(self, weights: torch.Tensor | None = None, *, tolerance: float = 1e-5, limit: int = 50) -> torch.Tensor:
        """One predictor trained to convergence by Newton's method: ``(D, 1, C)``.

        Args:
            weights: ``(N,)``; all 1 by default.
            tolerance: Largest component of the gradient, relative to the total weight, at which to stop.
            limit: Largest number of Newton steps.
        """
        weights = self.x.new_ones(len(self.x)) if weights is None else weights
        total = float(weights.sum())
        theta = self.steps(self.zeros(), weights[:, None], 5, total)
        for _ in range(limit):
            pull = weights[:, None, None] * self.residuals(theta)
            gradient = (self.x.T @ pull[:, 0]) - self.l2 * theta[:, 0]
            if float(gradient.abs().max()) <= tolerance * max(total, 1.0):
                break
            theta = theta + self.solve(theta, weights, gradient)[:, None]
        return theta

    def solve(
        self, theta: torch.Tensor, weights: torch.Tensor, right: torch.Tensor, *, iterations: int = 30
    ) -> torch.Tensor:
        """``H^-1 right`` by preconditioned conjugate gradients, H the Hessian at one predictor's parameters.

        Args:
            theta: ``(D, 1, C)``.
            weights: ``(N,)``.
            right: ``(D, C)``.
            iterations: Largest number of iterations.

        Returns:
            ``(D, C)``.
        """
        probs = self.probabilities(self.scores(theta))[:, 0]
        scale = self.preconditioner(float(weights.sum()))[:, None]
        answer = torch.zeros_like(right)
        rest = right.clone()
        direction = search = rest / scale
        power = start = (rest * search).sum()
        for _ in range(iterations):
            if not float(power) > 1e-12 * float(start):
                break
            image = self._curvature(probs, weights, direction)
            step = power / (direction * image).sum()
            answer = answer + step * direction
            rest = rest - step * image
            search = rest / scale
            power, last = (rest * search).sum(), power
            direction = search + power / last * direction
        return answer

    def _curvature(self, probs: torch.Tensor, weights: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        moved = self.x @ direction
        if self.columns == 1:
            moved = weights[:, None] * probs * (1 - probs) * moved
        else:
            moved = weights[:, None] * probs * (moved - (probs * moved).sum(-1, keepdim=True))
        return self.x.T @ moved + self.l2 * direction


def validation_probabilities(prepared: Prepared, l2: float) -> torch.Tensor:
    """``(N, K)`` probabilities of the training points by a predictor trained on the validation set only."""
    spectrum = (prepared.x_valid**2).mean(0)
    # The rotation is the training set's: the diagonal is no bound on the validation set's curvature, its largest row sum is.
    gram = (prepared.x_valid.T @ prepared.x_valid).abs().sum(1) / len(prepared.x_valid)
    model = Logistic(prepared.x_valid, prepared.y_valid, prepared.classes, l2, torch.maximum(spectrum, gram))
    return model.logits(model.scores(model.fit(), prepared.x))[:, 0].softmax(-1)
