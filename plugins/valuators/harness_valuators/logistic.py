"""Many l2-regularised logistic regressions at once, as matrix products.

All predictors share one feature matrix and differ by the weights of the points (0 or 1 for subsets), so a step of all of
them is two matrix products. Features are rotated into the eigenbasis of their Gram matrix, where the curvature bound of
Böhning (1992), ``H <= c * X'WX + l2`` with c = 1/4 for two classes and 1/2 for more, is close to diagonal for random
subsets of any size: a preconditioned step costs no more than a plain gradient step, and a handful of them converge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from harness.components import ValuationProblem

NARROW = 16
"""Columns from which on a product in float32 is as fast as its transpose."""

LIMIT = 200
"""Largest number of iterations in which predictors are trained; they hardly ever take more than twenty."""


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

    def to(self, dtype: torch.dtype) -> Prepared:
        """The same with features and spectrum of another precision."""
        return replace(self, x=self.x.to(dtype), x_valid=self.x_valid.to(dtype), spectrum=self.spectrum.to(dtype))


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
        y=torch.tensor(problem.y_train, device=device),
        x_valid=tensor(valid @ basis),
        y_valid=torch.tensor(problem.y_valid, device=device),
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

    @classmethod
    def of(cls, data: Prepared, l2: float) -> Logistic:
        """Regressions on the training points of a problem."""
        return cls(data.x, data.y, data.classes, l2, data.spectrum)

    def _targets(self, y: torch.Tensor) -> torch.Tensor:
        onehot = torch.nn.functional.one_hot(y, self.classes).to(self.x.dtype)
        return onehot[:, 1:] if self.columns == 1 else onehot

    def zeros(self, count: int = 1) -> torch.Tensor:
        """Parameters of ``count`` untrained predictors."""
        return self.x.new_zeros(self.x.shape[1], count, self.columns)

    def scores(self, theta: torch.Tensor, x: torch.Tensor | None = None) -> torch.Tensor:
        """``(n, M, C)`` linear scores of the training points, or of ``x``."""
        x = self.x if x is None else x
        return product(x, theta.reshape(theta.shape[0], -1)).reshape(len(x), *theta.shape[1:])

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        """``(n, M, K)`` logits from scores."""
        return torch.cat([-scores / 2, scores / 2], dim=-1) if self.columns == 1 else scores

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """``(n, M, C)``: of class 1 for two classes, else of all classes."""
        if self.columns == 1:
            return scores.sigmoid()
        # torch's softmax takes five times as long over a last dimension of a few classes
        odds = (scores - scores.amax(-1, keepdim=True)).exp()
        return odds / odds.sum(-1, keepdim=True)

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
            gradient = self._collect(pull) - self.l2 * theta
            theta = theta + gradient / scale
        return theta

    def converge(
        self,
        theta: torch.Tensor,
        weights: torch.Tensor,
        size: torch.Tensor | float,
        *,
        tolerance: float,
        limit: int = LIMIT,
    ) -> torch.Tensor:
        """Train until what is left of each predictor's way to its solution is a share ``tolerance`` of the way from ``theta``.

        Preconditioned conjugate gradients (Polak and Ribière 1969) for all predictors at once, each with its own step, of
        Newton's length along its direction. An iteration costs the two matrix products of a plain step. The way is measured
        by the gradient in the norm of the preconditioner, and not below what rounding leaves of it.

        Args:
            theta: ``(D, M, C)`` start.
            weights: ``(N, M)`` non-negative.
            size: Total weight of each predictor's points, for the preconditioner: a number or ``(M,)``.
            tolerance: The share, above 0.
            limit: Largest number of iterations.
        """
        scale = self.preconditioner(size)
        scale = scale[:, None, None] if scale.ndim == 1 else scale
        scores = self.scores(theta)
        probs = self.probabilities(scores)
        weight = weights[..., None]
        pull = weight * (self.targets[:, None] - probs)
        gradient = self._collect(pull) - self.l2 * theta
        search = gradient / scale
        power = _dot(gradient, search)
        rounding = (4 * torch.finfo(theta.dtype).eps) ** 2 * self.largest / (self.bound * self.largest + self.l2)
        goal = torch.maximum(tolerance**2 * power, rounding * weights.sum(0).clamp_min(1.0))
        direction = search
        for _ in range(limit):
            active = power > goal
            if not bool(active.any()):
                break
            image = self.scores(direction)
            slope = _dot(gradient, direction)
            bend = _dot(image, weight * self._bent(probs, image))
            step = slope / (bend + self.l2 * _dot(direction, direction)).clamp_min(1e-30)
            step = torch.where(active, step, 0.0)
            length = _dot(direction, direction)
            along = _dot(theta, direction)
            for trial in range(4):
                moved = scores + step[:, None] * image
                probs = self.probabilities(moved)
                pull = weight * (self.targets[:, None] - probs)
                left = _dot(pull, image) - self.l2 * (along + step * length)
                beyond = active & (left < -0.5 * slope)  # the curvature grew on the way: back to where the secant is 0
                if trial == 3 or not bool(beyond.any()):
                    break
                step = torch.where(beyond, step * slope / (slope - left), step)
            theta = theta + step[:, None] * direction
            scores = moved
            last, gradient = gradient, self._collect(pull) - self.l2 * theta
            search, before = gradient / scale, power
            power = _dot(gradient, search)
            share = ((power - _dot(last, search)) / before.clamp_min(1e-30)).clamp_min(0.0)
            direction = search + share[:, None] * direction
            direction = torch.where((_dot(gradient, direction) > 0)[:, None], direction, search)
        return theta

    def _collect(self, pull: torch.Tensor) -> torch.Tensor:
        """``(D, M, C)`` sums of the points' features, ``(N, M, C)`` times each."""
        return product(self.x.T, pull.reshape(len(self.x), -1)).reshape(self.x.shape[1], *pull.shape[1:])

    def fit(self, weights: torch.Tensor | None = None, *, tolerance: float = 1e-8, limit: int = 50) -> torch.Tensor:
        """One predictor trained to convergence by Newton's method, in float64: ``(D, 1, C)``.

        Args:
            weights: ``(N,)``; all 1 by default.
            tolerance: Norm of the gradient at which to stop, relative to the largest that a single point can have.
            limit: Largest number of Newton steps.
        """
        weights = self.x.new_ones(len(self.x)) if weights is None else weights
        total = float(weights.sum())
        theta = self.converge(self.zeros(), weights[:, None], total, tolerance=0.01)
        for _ in range(limit):
            gradient = (self.x.T @ (weights[:, None, None] * self.residuals(theta))[:, 0]) - self.l2 * theta[:, 0]
            if float(gradient.norm()) <= tolerance * math.sqrt(self.largest):
                break
            theta = theta + self.solve(theta, weights, gradient[:, None])
        return theta

    def solve(
        self,
        theta: torch.Tensor,
        weights: torch.Tensor,
        right: torch.Tensor,
        *,
        start: torch.Tensor | None = None,
        tolerance: float = 1e-6,
        iterations: int = 30,
    ) -> torch.Tensor:
        """``H^-1 right`` by preconditioned conjugate gradients, H the Hessian at one predictor's parameters.

        All right-hand sides are solved side by side: reading the features is what a product costs.

        Args:
            theta: ``(D, 1, C)``.
            weights: ``(N,)``.
            right: ``(D, R, C)``.
            start: ``(D, R, C)``, something near the answer; by default 0.
            tolerance: What is left of the right-hand side, in the norm of the preconditioner, as a share of it.
            iterations: Largest number of iterations.

        Returns:
            ``(D, R, C)``.
        """
        probs = self.probabilities(self.scores(theta))
        scale = self.preconditioner(float(weights.sum()))[:, None, None]
        bend = weights[:, None, None]
        goal = tolerance**2 * _dot(right, right / scale)
        answer = torch.zeros_like(right) if start is None else start
        rest = right if start is None else right - self._curvature(probs, bend, start)
        direction = search = rest / scale
        power = _dot(rest, search)
        for _ in range(iterations):
            active = power > goal
            if not bool(active.any()):
                break
            image = self._curvature(probs, bend, direction)
            step = torch.where(active, power / _dot(direction, image).clamp_min(1e-30), 0.0)
            answer = answer + step[:, None] * direction
            rest = rest - step[:, None] * image
            search = rest / scale
            power, last = _dot(rest, search), power
            direction = search + (power / last.clamp_min(1e-30))[:, None] * direction
        return answer

    def bend(self, probs: torch.Tensor) -> torch.Tensor:
        """``(..., C)`` whose sum is the mean curvature of a point's loss over the directions that its scores can move in."""
        return probs * (1 - probs) / max(1, self.columns - 1)

    def _bent(self, probs: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        """Second derivative of the points' losses by their scores, times a change of the scores; both ``(..., C)``."""
        if self.columns == 1:
            return probs * (1 - probs) * moved
        return probs * (moved - (probs * moved).sum(-1, keepdim=True))

    def _curvature(self, probs: torch.Tensor, weights: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        return self._collect(weights * self._bent(probs, self.scores(direction))) + self.l2 * direction


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """``a @ b``, ``(n, D)`` times ``(D, M)``.

    On CPUs the libraries take up to twenty times as long for two to twelve columns as for the transposed product of the same
    numbers, and in float64 up to three times as long for any number of them.
    """
    columns = b.shape[1]
    if a.device.type != "cpu" or columns == 1 or (columns >= NARROW and a.dtype == torch.float32):
        return a @ b
    return (b.T.contiguous() @ a.T).T.contiguous()


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """``(M,)`` inner products of two ``(n, M, C)`` tensors."""
    return (a * b).sum((0, 2))


def validation_probabilities(prepared: Prepared, l2: float) -> torch.Tensor:
    """``(N, K)`` probabilities of the training points by a predictor trained on the validation set only."""
    x = prepared.x_valid.double()
    spectrum = (x**2).mean(0)
    # The rotation is the training set's: the diagonal is no bound on the validation set's curvature, its largest row sum is.
    gram = (x.T @ x).abs().sum(1) / len(x)
    model = Logistic(x, prepared.y_valid, prepared.classes, l2, torch.maximum(spectrum, gram))
    found = model.logits(model.scores(model.fit(), prepared.x.double()))[:, 0].softmax(-1)
    return found.to(prepared.x.dtype)
