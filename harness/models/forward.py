"""How a classifier computes the logits of a batch: packed or as ``transformers`` does it, by torch or by ONNX Runtime."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from harness.components.model import Encoding
from harness.models.packed import GRID_SIZES, PackedClassifier, parts_of
from harness.models.tokens import padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.models.classifier import Runtime

PADDED = ("input_ids", "attention_mask", "token_type_ids")
"""What ``transformers`` models take."""

_PADDED_SIZES = {name: {0: "rows", 1: "tokens"} for name in PADDED}

_SAMPLE = [Encoding((5,) * 8), Encoding((5,) * 6)]
"""What a graph is traced with: two texts of which one is padded, so that the trace keeps the arithmetic of the mask."""

Forward = Callable[[Sequence[Encoding]], torch.Tensor]
"""Logits ``(n, K)`` of a batch."""


def forward_of(model: PreTrainedModel, pad_id: int, runtime: Runtime) -> Forward:
    """The fastest way this model can be run to the rounding of ``runtime``'s precision.

    Raises:
        InputError: ONNX is wanted and not installed.
        HarnessError: ONNX is wanted and the model cannot be exported.
    """
    parts = parts_of(model) if runtime.exact_cpu else None
    if parts is not None:
        packed = PackedClassifier(model, parts, prepacked=runtime.backend == "torch")
        if runtime.backend == "torch":
            return lambda batch: packed(*packed.inputs(batch))
        run = _session(packed, packed.inputs(_SAMPLE)._asdict(), GRID_SIZES)
        return lambda batch: run(packed.inputs(batch)._asdict())
    if runtime.backend == "torch":
        return lambda batch: _logits(model, runtime.inputs(batch, pad_id))
    segments = "token_type_ids" in inspect.signature(model.forward).parameters

    def inputs(batch: Sequence[Encoding]) -> dict[str, torch.Tensor]:
        ids, mask, given = padded(batch, pad_id)
        arrays = [ids, mask] + [given if given is not None else ids * 0] * segments
        return dict(zip(PADDED, map(torch.from_numpy, arrays), strict=False))

    run = _session(_ByPosition(model), inputs(_SAMPLE), _PADDED_SIZES)
    return lambda batch: run(inputs(batch))


class _ByPosition(torch.nn.Module):
    """The model as a function of tensors alone."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return _logits(self.model, dict(zip(PADDED, tensors, strict=False)))


def _logits(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    logits: torch.Tensor = model(**inputs).logits
    return logits


def _session(
    module: torch.nn.Module, sample: dict[str, torch.Tensor], sizes: dict[str, dict[int, str]]
) -> Callable[[dict[str, torch.Tensor]], torch.Tensor]:
    from harness.models.onnx import Session

    return Session(module, sample, sizes)
