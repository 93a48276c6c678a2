"""Fine-tuning with per-example weights."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from harness.components.model import Encoding
from harness.errors import HarnessError
from harness.models.dropout import Dropout
from harness.models.feed import Feed
from harness.models.keeping import Keeper, State
from harness.models.learner import Learner, Rest, learner_of
from harness.models.runtime import Runtime, moved
from harness.progress import progress
from harness.seeds import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.components.order import EpochOrder
    from harness.types import FloatArray, IntArray


@dataclass(frozen=True)
class TrainingOptions:
    """How a classifier is trained; the fields of :class:`harness.models.transformers.TransformersModel` say more.

    Attributes:
        epochs: Passes over the training set.
        batch_size: Examples per optimisation step.
        learning_rate: AdamW's learning rate at its highest.
        weight_decay: AdamW's weight decay.
        warmup: Share of the steps, in [0, 1), in which the learning rate rises.
        max_gradient_norm: Gradients are scaled down to this norm; ``None`` for no clipping.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup: float
    max_gradient_norm: float | None


@dataclass(frozen=True)
class TrainingSet:
    """What a classifier is trained on, ready for it.

    Attributes:
        encodings: ``n`` tokenised inputs.
        labels: ``(n,)`` int64 class indices.
        weights: ``(n,)`` float32 loss weights; ``None`` for the unweighted loss.
        feed: How they become batches.
        order: Draws the order of each epoch; ``None`` for all orders alike.
    """

    encodings: Sequence[Encoding]
    labels: IntArray
    weights: FloatArray | None
    feed: Feed
    order: EpochOrder | None = None

    def __len__(self) -> int:
        return len(self.encodings)


class Watch(Protocol):
    """Looks on while a classifier is trained, and changes nothing of it."""

    def begin(
        self, learner: Learner, beside: Callable[[Sequence[Encoding]], Learner], epochs: int, per_epoch: int, size: int
    ) -> None:
        """Training begins, in steps on ``size`` examples at most; ``beside`` gives logits of other texts by what is trained."""

    def state(self, done: int, last: bool) -> bool:
        """Whether the state after ``done`` steps is of interest; ``last``: an epoch ends with it."""

    def look(self, done: int) -> None:
        """Look at the model, which is whole and in evaluation mode."""

    def glances(self) -> bool:
        """Whether :meth:`glance` is to be called."""

    def glance(self, done: int) -> None:
        """The next step is step ``done``; the model is in evaluation mode, and not whole."""

    def passing(self, rows: IntArray, logits: Tensor) -> None:
        """These are the logits of training examples, before a step learns from them."""

    def forward(self) -> AbstractContextManager[None]:
        """The context of a forward pass of training."""

    def again(self) -> None:
        """Memory ran out: what has passed by in this step comes again, in smaller parts."""

    def step(self, done: int, rows: IntArray, rate: float) -> None:
        """Step ``done`` was taken on these training examples, with this learning rate."""

    def kept(self) -> dict[str, Tensor]:
        """All that was seen so far."""

    def resume(self, kept: dict[str, Tensor]) -> None:
        """Go on from what :meth:`kept` gave."""


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """On a GPU: only kernels that give the same bits each time. On the CPU those that are used here do."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS refuses
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's global generators set to ``seed`` in this context, and as they were before after it."""
    devices = [device.index or 0] if device.type == "cuda" else []
    before = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            if before is not None:
                torch.mps.set_rng_state(before)


def train_classifier(
    model: PreTrainedModel,
    train: TrainingSet,
    options: TrainingOptions,
    *,
    runtime: Runtime,
    seed: int,
    keeper: Keeper | None = None,
    watch: Watch | None = None,
) -> None:
    """Train ``model`` in place with AdamW and a linearly decaying learning rate.

    The loss of a batch is ``mean_i(w_i * CE_i)`` (thesis eq. 3.8). Call it inside :func:`seeded`: the head's dropout draws from
    torch's global generator. The order of batches and all other masks are drawn here from ``seed``. A batch that does not
    fit into the device's memory is computed in parts, whose gradients add up to its own.

    Args:
        model: The classifier with its pre-trained weights.
        train: What it learns from.
        options: How.
        runtime: Where.
        seed: Any non-negative integer.
        keeper: Keeps the state of training from time to time, and knows what an earlier process left.
        watch: Looks on; what is trained is the same to the bit. What it has seen is kept as well.

    Raises:
        HarnessError: The loss is no longer a finite number, or a single example does not fit into memory.
    """
    dropout = Dropout(derive_seed(seed, "masks"))
    learner = learner_of(model, train.encodings, train.feed, runtime, dropout)
    with deterministic(runtime.device), learner.compact() as rest:
        run = _Run(model, train, options, runtime, learner, dropout, rest, np.random.default_rng(seed), watch)
        run.train(keeper)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise HarnessError(
            f"Fine-tuning diverged: the weights are not finite after step {run.steps}.",
            hint=run.too_fast,
        )


class _Run:
    """One training with all of its state."""

    def __init__(
        self,
        model: PreTrainedModel,
        train: TrainingSet,
        options: TrainingOptions,
        runtime: Runtime,
        learner: Learner,
        dropout: Dropout,
        rest: Rest | None,
        order: np.random.Generator,
        watch: Watch | None,
    ) -> None:
        self._watch = watch
        self._model, self._train, self._options, self._runtime = model, train, options, runtime
        self._learner, self._dropout, self._rest, self._order = learner, dropout, rest, order
        self._targets = torch.from_numpy(train.labels).to(runtime.device)
        self._factors = None if train.weights is None else torch.tensor(train.weights, device=runtime.device)
        self._per_epoch = -(-len(train) // options.batch_size)
        self.steps = options.epochs * self._per_epoch
        self._optimizer = _optimizer(model, options)
        self._parts = 1
        self.too_fast = (
            f"Lower learning_rate ({options.learning_rate:g}), set max_gradient_norm: 1.0, or use a longer warmup."
        )

    def train(self, keeper: Keeper | None) -> None:
        options, train, watch = self._options, self._train, self._watch
        if watch is not None:
            beside = self._learner.beside
            watch.begin(
                self._learner,
                lambda texts: beside(texts, self._rest),
                options.epochs,
                self._per_epoch,
                options.batch_size,
            )
        done = 0 if keeper is None else self._resume(keeper)
        self._model.train()
        if not done:
            self._look(done)
        with progress("training examples", total=options.epochs * len(train)) as bar:
            bar.advance(done // self._per_epoch * len(train) + done % self._per_epoch * options.batch_size)
            for epoch in range(done // self._per_epoch, options.epochs):
                before = dict(self._order.bit_generator.state)
                shuffled = self._order.permutation(len(train)) if train.order is None else train.order.draw(self._order)
                for batch in range(done - epoch * self._per_epoch, self._per_epoch):
                    rows = shuffled[batch * options.batch_size : (batch + 1) * options.batch_size]
                    self._glance(done)
                    loss = self._step(rows, done)
                    if watch is not None:
                        watch.step(done, rows, self._rate(done))
                    done += 1
                    self._look(done)
                    bar.advance(len(rows), loss=loss, epoch=epoch + 1)
                    if keeper is not None and done < self.steps and keeper.due:
                        last = batch + 1 == self._per_epoch
                        keeper.keep(self._state(done, dict(self._order.bit_generator.state) if last else before))
        self._model.train(False)

    def _step(self, rows: IntArray, done: int) -> float:
        """One step of the optimiser; the loss of its batch."""
        rows = self._learner.order(rows)
        loss = self._gradients(rows)
        if not np.isfinite(loss):
            raise HarnessError(
                f"Fine-tuning diverged: the loss is {loss} at step {done + 1} of {self.steps} "
                f"(epoch {done // self._per_epoch + 1}).",
                hint=self.too_fast,
            )
        if self._options.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._options.max_gradient_norm)
        rate = self._rate(done)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        if self._rest is not None:
            self._rest.step(rate, self._options.weight_decay)
        return loss

    def _rate(self, done: int) -> float:
        return self._options.learning_rate * _factor(done, self.steps, self._options.warmup)

    def _glance(self, done: int) -> None:
        if self._watch is not None and self._watch.glances():
            self._model.train(False)
            self._watch.glance(done)
            self._model.train()

    def _look(self, done: int) -> None:
        watch = self._watch
        if watch is None or not watch.state(done, done % self._per_epoch == 0):
            return
        self._model.train(False)
        with self._learner.whole(self._rest):
            watch.look(done)
        self._model.train()

    def _gradients(self, rows: IntArray) -> float:
        """The loss of a batch, whose gradients are left in the parameters: in as many parts as memory asks for."""
        generators = self._generators()
        while True:
            self._optimizer.zero_grad(set_to_none=True)
            try:
                return sum(self._part(part, len(rows)) for part in np.array_split(rows, min(self._parts, len(rows))))
            except torch.OutOfMemoryError as error:
                if self._parts >= len(rows):
                    raise HarnessError(
                        f"Out of memory: {str(error).splitlines()[0]}",
                        hint="A single example does not fit: lower max_length, or take a smaller model.",
                    ) from error
            self._parts = min(2 * self._parts, len(rows))
            logging.getLogger(__name__).warning(
                "out of memory: batches of %d are computed in %d parts from here on", len(rows), self._parts
            )
            self._restore(generators)
            if self._watch is not None:
                self._watch.again()
            if self._runtime.device.type == "cuda":
                torch.cuda.empty_cache()

    def _part(self, rows: IntArray, of: int) -> float:
        with self._runtime.arithmetic(), nullcontext() if self._watch is None else self._watch.forward():
            logits = self._learner.logits(rows)
        if self._watch is not None:
            self._watch.passing(rows, logits)
        index = moved(rows, self._runtime.device)
        losses = torch.nn.functional.cross_entropy(logits.float(), self._targets[index], reduction="none")
        loss = (losses if self._factors is None else losses * self._factors[index]).sum() / of
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _generators(self) -> dict[str, Any]:
        """The states of all generators that masks are drawn from."""
        device = self._runtime.device
        states = {"torch": torch.get_rng_state()}
        if device.type == "cuda":
            states["device"] = torch.cuda.get_rng_state(device)
        elif device.type == "mps":
            states["device"] = torch.mps.get_rng_state()
        return {"masks": self._dropout.state, **states}

    def _restore(self, states: dict[str, Any]) -> None:
        self._dropout.state = states["masks"]
        torch.set_rng_state(states["torch"])
        if self._runtime.device.type == "cuda":
            torch.cuda.set_rng_state(states["device"], self._runtime.device)
        elif self._runtime.device.type == "mps":
            torch.mps.set_rng_state(states["device"])

    def _state(self, done: int, order: dict[str, Any]) -> State:
        generators = self._generators()
        tensors = {f"generators/{name}": states for name, states in generators.items() if name != "masks"}
        for name, parameter in _trained(self._model):
            tensors[f"parameters/{name}"] = parameter.detach()
            tensors |= {f"optimizer/{key}/{name}": value for key, value in self._optimizer.state[parameter].items()}
        if self._watch is not None:
            tensors |= {f"watch/{name}": seen for name, seen in self._watch.kept().items()}
        notes = {"done": done, "order": order, "masks": generators["masks"], "parts": self._parts}
        return State(tensors, notes | {"rest": None if self._rest is None else self._rest.factor})

    def _resume(self, keeper: Keeper) -> int:
        """Go on from what was kept; the number of steps that were done."""
        state = keeper.kept(str(self._runtime.device))
        if state is None:
            return 0
        with torch.no_grad():
            for name, parameter in _trained(self._model):
                parameter.copy_(state.tensors[f"parameters/{name}"])
                kept = {key: state.tensors.get(f"optimizer/{key}/{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
                if kept["step"] is not None:
                    self._optimizer.state[parameter] = kept
        if self._watch is not None:
            seen = {name: kept for name, kept in state.tensors.items() if name.startswith("watch/")}
            self._watch.resume({name.removeprefix("watch/"): kept for name, kept in seen.items()})
        generators = {name: state.tensors.get(f"generators/{name}") for name in ("torch", "device")}
        self._restore({**{k: v.cpu() for k, v in generators.items() if v is not None}, "masks": state.notes["masks"]})
        self._order.bit_generator.state = state.notes["order"]
        self._parts = state.notes["parts"]
        if self._rest is not None:
            self._rest.factor = state.notes["rest"]
        return int(state.notes["done"])


def _trained(model: PreTrainedModel) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Parameters that are not frozen; beside an adapter the others are the checkpoint's."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def _optimizer(model: PreTrainedModel, options: TrainingOptions) -> torch.optim.Optimizer:
    decayed: list[torch.nn.Parameter] = []
    undecayed: list[torch.nn.Parameter] = []
    # Biases and the scales of norms are exempt, as BERT was trained; every family has another name and class for norms.
    norms = {f"{name}.weight" for name, module in model.named_modules() if "norm" in type(module).__name__.casefold()}
    for name, parameter in _trained(model):
        (undecayed if name.endswith("bias") or name in norms else decayed).append(parameter)
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": options.weight_decay}, {"params": undecayed, "weight_decay": 0.0}],
        lr=options.learning_rate,
        fused=True,  # one pass over the parameters; on a CPU the optimiser otherwise takes as long as the gradients
    )


def _factor(step: int, steps: int, warmup: float) -> float:
    """Share of the highest learning rate at a step (from 0): rising from 0, then falling to 0 linearly."""
    rising = round(warmup * steps)
    return step / rising if step < rising else (steps - step) / max(1, steps - rising)
