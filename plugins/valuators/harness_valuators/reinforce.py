"""The training loop of :class:`harness_valuators.dvrl.Dvrl`."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, cast

import torch
from torch.nn import functional

from harness.progress import progress
from harness_valuators.logistic import Logistic, prepare, validation_probabilities
from harness_valuators.slopes import along, pull
from harness_valuators.utility import Utility

if TYPE_CHECKING:
    from harness.components import ValuationProblem
    from harness.types import FloatArray
    from harness_valuators.dvrl import Dvrl

PENALTY = 1000.0
"""Weight of the exploration bound, as in the authors' code."""

WINDOW = 20
"""Length of the moving average of rewards, in iterations (T of the paper's algorithm 1)."""

LEFT = 1e-3
"""What is left of the linear systems of the linear baseline: an error there is made up for by the draws' rewards."""

WARM_UP = 40
"""Predictor steps from zero to the start that every selection's predictor shares."""


class Estimator(torch.nn.Module):
    """``h(x, y, |y - f_val(x)|)``: log-odds of selection.

    The first linear layers see features and label, the features in the block of their class, so that the first one can tell
    what is usual for each; with two classes it is one block, whose sign is the class. The marginal information joins before a
    small head.
    """

    def __init__(self, features: int, classes: int, scale: float, options: Dvrl, generator: torch.Generator) -> None:
        super().__init__()
        self.features, self.classes, self.scale = features, classes, scale
        inputs = features + 1 if classes == 2 else (features + 1) * classes
        widths = [inputs, *[options.hidden] * options.layers]
        self.body = torch.nn.ModuleList(torch.nn.Linear(i, o) for i, o in itertools.pairwise(widths))
        self.head = torch.nn.Linear(options.hidden + classes, options.hidden)
        self.out = torch.nn.Linear(options.hidden, 1)
        for layer in (*self.body, self.head, self.out):
            bound = 1 / math.sqrt(layer.weight.shape[1])
            for parameter in (layer.weight, layer.bias):
                with torch.no_grad():
                    parameter.copy_((2 * torch.rand(parameter.shape, generator=generator) - 1) * bound)
        if options.prior:  # what is learned is added to the start, and is nothing at first
            torch.nn.init.zeros_(self.out.weight)
            torch.nn.init.zeros_(self.out.bias)

    def forward(self, x: torch.Tensor, y: torch.Tensor, marginal: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """``(n,)`` log-odds from features ``(n, D)``, labels ``(n,)``, ``(n, K)`` and ``(n,)``."""
        first, *others = cast("list[torch.nn.Linear]", list(self.body))
        hidden = functional.relu(self._placed(x, y, first.weight) + first.bias)
        for layer in others:
            hidden = functional.relu(layer(hidden))
        hidden = functional.relu(self.head(torch.cat([hidden, marginal], dim=1)))
        logits: torch.Tensor = self.out(hidden)[:, 0] + start
        return logits

    def _placed(self, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """``(n, hidden)`` products of the first layer with features in the block of their class, and the label behind."""
        if self.classes == 2:
            return (x @ (weight[:, :-1] * self.scale).T + weight[:, -1]) * (2 * y[:, None] - 1)
        blocks, labels = weight[:, : -self.classes] * self.scale, weight[:, -self.classes :]
        parts, places = [], []
        for k in torch.unique(y).tolist():  # the blocks of other classes are zero: nothing is computed for them
            rows = (y == k).nonzero()[:, 0]
            parts.append(x[rows] @ blocks[:, k * self.features : (k + 1) * self.features].T + labels[:, k])
            places.append(rows)
        return torch.cat(parts)[torch.cat(places).argsort()]


def learn_selection(options: Dvrl, problem: ValuationProblem, *, seed: int, device: str) -> FloatArray:
    """Train the estimator and return its probabilities for the whole training set: ``(n_train,)`` float64."""
    data = prepare(problem, device=device)
    generator = torch.Generator().manual_seed(seed)
    utility = Utility(options.utility, data.y_valid, options.threshold)
    believed = validation_probabilities(data, options.l2)
    onehot = functional.one_hot(data.y, data.classes).to(data.x.dtype)
    marginal = (onehot - believed).abs()
    own = (believed * onehot).sum(1)
    start = options.prior * (own - own.mean()) / own.std(correction=0).clamp_min(1e-6)
    # The estimator's features have a mean square of 1 each, as its first weights expect; the predictor's have norm 1.
    scale = math.sqrt(data.x.shape[1]) / float(data.x.square().sum(1).mean().sqrt().clamp_min(1e-6))
    estimator = Estimator(data.x.shape[1], data.classes, scale, options, generator).to(device)
    optimiser = torch.optim.Adam(estimator.parameters(), lr=options.learning_rate)
    averaged = _Average(estimator, first=options.iterations - max(1, round(options.averaging * options.iterations)))

    total, batch = len(data.y), min(options.batch_size, len(data.y))
    rows = torch.arange(total, device=device)
    base, adjoint, moving = None, None, None
    with progress("iterations", total=options.iterations) as bar:
        for iteration in range(options.iterations):
            if batch < total:
                rows = torch.randperm(total, generator=generator)[:batch].to(device)
            model = Logistic(data.x[rows], data.y[rows], data.classes, options.l2, data.spectrum)
            if base is None:
                base = model.steps(model.zeros(), model.x.new_full((batch, 1), 0.5), WARM_UP, 0.5 * batch)
            scores = estimator(model.x, model.labels, marginal[rows], start[rows])
            p = scores.sigmoid()
            draws = _antithetic(p.detach(), options.draws, generator)
            if options.baseline == "linear":
                base, adjoint, gains, advantage = _linear(
                    options, model, utility, data.x_valid, base, adjoint, p.detach(), draws
                )
            else:
                rewards = utility(model.logits(model.scores(_trained(options, model, base, draws), data.x_valid)))
                gains = torch.zeros_like(p)
                if options.baseline == "group":
                    advantage = (rewards - rewards.mean()) * len(rewards) / max(1, len(rewards) - 1)
                else:
                    moving = float(rewards.mean()) if moving is None else moving
                    advantage = rewards - moving
                    moving += (float(rewards.mean()) - moving) / WINDOW
            loss = _loss(options, scores, start[rows], draws, gains, advantage)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            averaged.update(iteration)
            bar.advance(mean_probability=round(float(p.detach().mean()), 3))
    averaged.restore()
    with torch.no_grad():
        parts = [
            estimator(data.x[i : i + 8192], data.y[i : i + 8192], marginal[i : i + 8192], start[i : i + 8192])
            for i in range(0, total, 8192)
        ]
    return torch.cat(parts).double().sigmoid().cpu().numpy()


def _antithetic(p: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """``(n, count)`` selections in {0, 1}; each second draw mirrors the uniform numbers of the one before it."""
    uniform = torch.rand(len(p), (count + 1) // 2, generator=generator).to(p.device)
    uniform = torch.stack([uniform, 1 - uniform], dim=2).flatten(1)[:, :count]
    return (uniform < p[:, None]).to(p.dtype)


def _trained(options: Dvrl, model: Logistic, base: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    return model.steps(base.expand(-1, draws.shape[1], -1), draws, options.predictor_steps, draws.sum(0))


def _linear(
    options: Dvrl,
    model: Logistic,
    utility: Utility,
    x_valid: torch.Tensor,
    base: torch.Tensor,
    adjoint: torch.Tensor | None,
    p: torch.Tensor,
    draws: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """What an iteration learns about the expected reward.

    Returns:
        The predictor of the expected selection, and what :meth:`Logistic.solve` made of it (the next iteration starts from
        both); the slope of the expected reward, and what is left of the draws' rewards.
    """
    base = model.steps(base, p[:, None], options.predictor_steps + 2, float(p.sum()))
    count = len(x_valid)
    right = [x_valid.T @ pull(model, utility, base, x_valid)]
    if options.trust:
        on_train = Utility(utility.name, model.labels, utility.threshold)
        own = options.trust * p[:, None] * pull(model, on_train, base, model.x)
        right.append(model.x.T @ own)
    adjoint = model.solve(base, p, torch.stack(right, dim=1), start=adjoint, tolerance=LEFT)
    found = along(model, base, adjoint)
    gains = found[:, 0]
    rewards = count * utility(model.logits(model.scores(_trained(options, model, base, draws), x_valid)))
    centre = count * utility(model.logits(model.scores(base, x_valid)))
    advantage = rewards - centre - gains @ (draws - p[:, None])
    if options.trust:
        leverage = model.x.square() @ (1 / model.preconditioner(float(p.sum())))
        on_itself = (model.residuals(base)[:, 0] * own).sum(1) * leverage
        gains = gains + found[:, 1] - on_itself
    advantage = advantage.to(gains.dtype)
    scale = gains.std(correction=0).clamp_min(1e-12)
    return base, adjoint, gains / scale, advantage / scale


def _loss(
    options: Dvrl,
    scores: torch.Tensor,
    start: torch.Tensor,
    draws: torch.Tensor,
    gains: torch.Tensor,
    advantage: torch.Tensor,
) -> torch.Tensor:
    log_in, log_out, p = functional.logsigmoid(scores), functional.logsigmoid(-scores), scores.sigmoid()
    log_draws = draws * log_in[:, None] + (1 - draws) * log_out[:, None]
    gain = (gains * p).sum() + (log_draws.sum(0) * advantage).mean()
    # The paper maximises the reward of the batch; per point, the scale of the terms does not depend on the batch size.
    loss = -gain / len(scores) if options.baseline == "linear" else -gain
    if options.anchor:
        log_start_in, log_start_out = functional.logsigmoid(start), functional.logsigmoid(-start)
        entropy = p * (log_in - log_start_in) + (1 - p) * (log_out - log_start_out)
        loss = loss + options.anchor * entropy.mean()
    mean = p.mean()
    outside = (mean - options.exploration).relu() + (1 - options.exploration - mean).relu()
    return loss + PENALTY * outside


class _Average:
    """Mean of a module's parameters over the iterations from ``first`` on."""

    def __init__(self, module: torch.nn.Module, *, first: int) -> None:
        self.parameters = list(module.parameters())
        self.sums = [torch.zeros_like(parameter, requires_grad=False) for parameter in self.parameters]
        self.first, self.count = first, 0

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        """Count the parameters as they are now."""
        if iteration >= self.first:
            self.count += 1
            for mean, parameter in zip(self.sums, self.parameters, strict=True):
                mean += parameter  # noqa: PLW2901 - in place

    @torch.no_grad()
    def restore(self) -> None:
        """Set the parameters to their mean."""
        for total, parameter in zip(self.sums, self.parameters, strict=True):
            parameter.copy_(total / self.count)
