"""Where and how a classifier computes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.components.model import Encoding
from harness.errors import HarnessError, InputError
from harness.models.tokens import longest_first

if TYPE_CHECKING:
    from harness.types import IntArray

TOKENS_PER_BATCH = {"cpu": 512, "mps": 8192, "cuda": 65536}
"""Padded tokens per forward pass by kind of device. On a CPU large batches are slower: they leave the caches."""


@dataclass(frozen=True)
class Runtime:
    """Where and how a classifier computes.

    Attributes:
        device: Torch device.
        dtype: Type of the matrix products; everything delicate and all results stay float32.
        backend: ``"torch"`` or ``"onnx"``.
        max_tokens_per_batch: Padded tokens in one forward pass at most.
        pooling: ``"mean"`` over the tokens, ``"cls"`` for the first, ``"last"`` for the last one.
    """

    device: torch.device
    dtype: torch.dtype
    backend: str
    max_tokens_per_batch: int
    pooling: str

    @classmethod
    def choose(
        cls, device: str, *, dtype: str, backend: str, max_tokens_per_batch: int | None, pooling: str
    ) -> Runtime:
        """Fill in what is left to the machine, and check that it can do what is asked.

        Raises:
            InputError: The device is not there, bfloat16 without a GPU, or ONNX Runtime not installed or not on the CPU.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            device = "cpu" if backend == "onnx" else device
        try:
            chosen = torch.device(device)
            torch.empty(1, device=chosen)
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"The device {device!r} is not available on this machine.", hint="Set `device: auto`."
            ) from error
        if dtype == "bfloat16" and chosen.type != "cuda":
            raise InputError(
                f"dtype bfloat16 needs a GPU; the device is {device!r}.",
                hint="Set `dtype: float32`, which gives exact results.",
            )
        if backend == "onnx" and chosen.type != "cpu":
            raise InputError(f"backend onnx runs on the CPU; the device is {device!r}.", hint="Set `backend: torch`.")
        tokens = max_tokens_per_batch or TOKENS_PER_BATCH.get(chosen.type, TOKENS_PER_BATCH["mps"])
        return cls(chosen, getattr(torch, dtype), backend, tokens, pooling)

    @property
    def exact_cpu(self) -> bool:
        """Whether results are those of float32 on the CPU."""
        return self.device.type == "cpu" and self.dtype == torch.float32

    @contextmanager
    def inference(self) -> Iterator[None]:
        """The context of inference: no gradients, the wanted arithmetic, a clear error when memory runs out."""
        too_large = f"Lower max_tokens_per_batch ({self.max_tokens_per_batch})."
        with torch.inference_mode(), self.arithmetic(), within_memory(too_large):
            yield

    def arithmetic(self) -> AbstractContextManager[Any]:
        """The context in which forward passes run."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


class Budget:
    """Tokens in one forward pass, which are halved for good when they do not fit into the device's memory.

    Args:
        tokens: Padded tokens at most: rows times the longest row.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def each(
        self, encodings: Sequence[Encoding], compute: Callable[[IntArray], torch.Tensor]
    ) -> Iterator[tuple[IntArray, torch.Tensor]]:
        """Batches of positions, longest inputs first, each with what ``compute`` makes of it.

        An input that is longer than the budget makes a batch of its own.

        Raises:
            torch.OutOfMemoryError: A single input does not fit.
        """
        order = longest_first(encodings)
        start = 0
        while start < len(order):
            longest = max(1, len(encodings[order[start]].input_ids))
            rows = order[start : start + max(1, self.tokens // longest)]
            computed = _unless_full(compute, rows)
            if computed is None:
                self.tokens = len(rows) // 2 * longest
                logging.getLogger(__name__).warning(
                    "out of memory: batches of at most %s tokens from here on", f"{self.tokens:,}"
                )
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                continue
            yield rows, computed
            start += len(rows)


def _unless_full(compute: Callable[[IntArray], torch.Tensor], rows: IntArray) -> torch.Tensor | None:
    try:
        return compute(rows)
    except torch.OutOfMemoryError:
        if len(rows) == 1:
            raise
        return None  # what the failed pass holds is let go of with its frames


def moved(array: np.ndarray[Any, Any], device: torch.device) -> torch.Tensor:
    """An array on ``device``; to a GPU from pinned memory, so that the copy need not be waited for."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


@contextmanager
def within_memory(hint: str) -> Iterator[None]:
    """Turns running out of the device's memory into an error with ``hint``."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise HarnessError(f"Out of memory: {str(error).splitlines()[0]}", hint=hint) from error
