"""Fine-tuning with per-example weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.components.example import Example
from harness.components.model import Encoding
from harness.errors import DataError, HarnessError
from harness.models.feed import Feed, outputs_of
from harness.models.runtime import Runtime, within_memory
from harness.progress import progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
    """

    encodings: Sequence[Encoding]
    labels: IntArray
    weights: FloatArray | None
    feed: Feed

    def __len__(self) -> int:
        return len(self.encodings)


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


def check_training_set(train: Sequence[Example], num_labels: int) -> IntArray:
    """The labels ``(n,)`` of a training set that can be learned from.

    Raises:
        DataError: It is empty, has a label outside ``0..num_labels-1``, or examples of one class only.
    """
    if not train:
        raise DataError("The training set is empty.")
    labels = np.asarray([example.label for example in train], dtype=np.int64)
    outside = (labels < 0) | (labels >= num_labels)
    if outside.any():
        first = train[int(outside.argmax())]
        raise DataError(
            f"{int(outside.sum())} training labels are outside 0..{num_labels - 1}; "
            f"the first is {first.label} (example {first.id or int(outside.argmax())})."
        )
    if len(np.unique(labels)) == 1:
        raise DataError(
            f"All {len(labels)} training examples have label {labels[0]}: a classifier needs at least two classes.",
            hint="Raise the limit on the training set, or check the label column.",
        )
    return labels


def check_weights(weights: FloatArray, n: int) -> FloatArray:
    """Loss weights as float32 ``(n,)``.

    Raises:
        DataError: Wrong shape, values that are negative or not finite, or nothing but zeros.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold is reported below
        array = np.asarray(weights, dtype=np.float64).astype(np.float32)
    if array.shape != (n,):
        raise DataError(f"Loss weights must have shape ({n},), one per training example, not {array.shape}.")
    bad = ~np.isfinite(array) | (array < 0)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} loss weights are negative or not finite; "
            f"the first is {array[bad.argmax()]} at position {int(bad.argmax())}."
        )
    if not array.any():
        raise DataError("All loss weights are zero: there is nothing to learn from.")
    return array


def train_classifier(
    model: PreTrainedModel, train: TrainingSet, options: TrainingOptions, *, runtime: Runtime, seed: int
) -> None:
    """Train ``model`` in place with AdamW and a linearly decaying learning rate.

    The loss of a batch is ``mean_i(w_i * CE_i)`` (thesis eq. 3.8). Call it inside :func:`seeded`: dropout draws from torch's
    global generator. The order of batches is drawn here from ``seed``.

    Raises:
        HarnessError: The loss is no longer a finite number.
    """
    order = np.random.default_rng(seed)
    targets = torch.from_numpy(train.labels).to(runtime.device)
    factors = None if train.weights is None else torch.tensor(train.weights, device=runtime.device)
    steps = options.epochs * -(-len(train) // options.batch_size)
    optimizer, schedule = _optimizer(model, options, steps)
    too_fast = f"Lower learning_rate ({options.learning_rate:g}), set max_gradient_norm: 1.0, or use a longer warmup."
    too_large = f"Lower batch_size ({options.batch_size}) or max_length."
    total = options.epochs * len(train)
    step = 0
    model.train()
    with progress("training examples", total=total) as bar, deterministic(runtime.device), within_memory(too_large):
        for epoch in range(options.epochs):
            shuffled = order.permutation(len(train))
            for start in range(0, len(train), options.batch_size):
                rows = shuffled[start : start + options.batch_size]
                index = torch.from_numpy(rows).to(runtime.device)
                with runtime.arithmetic():
                    batch = train.feed.batch([train.encodings[row] for row in rows], runtime.device)
                    logits = outputs_of(model, batch).logits
                losses = torch.nn.functional.cross_entropy(logits.float(), targets[index], reduction="none")
                loss = (losses if factors is None else losses * factors[index]).mean()
                value = float(loss.detach())
                step += 1
                if not np.isfinite(value):
                    raise HarnessError(
                        f"Fine-tuning diverged: the loss is {value} at step {step} of {steps} (epoch {epoch + 1}).",
                        hint=too_fast,
                    )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                if options.max_gradient_norm is not None:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), options.max_gradient_norm)
                optimizer.step()
                schedule.step()
                bar.advance(len(rows), loss=value, epoch=epoch + 1)
    model.train(False)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise HarnessError(
            f"Fine-tuning diverged: the weights are not finite after step {steps}.",
            hint=too_fast,
        )


def _optimizer(
    model: PreTrainedModel, options: TrainingOptions, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    decayed: list[torch.nn.Parameter] = []
    undecayed: list[torch.nn.Parameter] = []
    # Biases and the scales of norms are exempt, as BERT was trained; every family has another name and class for norms.
    norms = {f"{name}.weight" for name, module in model.named_modules() if "norm" in type(module).__name__.casefold()}
    for name, parameter in model.named_parameters():
        (undecayed if name.endswith("bias") or name in norms else decayed).append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": options.weight_decay}, {"params": undecayed, "weight_decay": 0.0}],
        lr=options.learning_rate,
        fused=True,  # one pass over the parameters; on a CPU the optimiser otherwise takes as long as the gradients
    )
    warmup = round(options.warmup * steps)

    def factor(step: int) -> float:
        return step / warmup if step < warmup else (steps - step) / max(1, steps - warmup)

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
