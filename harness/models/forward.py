"""How a classifier computes the logits of a batch: packed or as ``transformers`` does it, by torch or by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from harness.components.model import Encoding
from harness.models.feed import Feed, outputs_of
from harness.models.packed import GRID_SIZES, PackedClassifier, parts_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.models.runtime import Runtime

PADDED_SIZES = {name: {0: "rows", 1: "tokens"} for name in ("input_ids", "attention_mask", "token_type_ids")}
"""What ``transformers`` models take, and which of its dimensions vary."""

_SAMPLE = [Encoding((5,) * 8), Encoding((5,) * 6)]
"""What a graph is traced with: two texts of which one is padded, so that the trace keeps the arithmetic of the mask."""

Forward = Callable[[Sequence[Encoding]], torch.Tensor]
"""Logits ``(n, K)`` of a batch."""


def forward_of(model: PreTrainedModel, feed: Feed, runtime: Runtime) -> Forward:
    """The fastest way this model can be run to the rounding of ``runtime``'s precision.

    Raises:
        InputError: ONNX is wanted and not installed.
        HarnessError: ONNX is wanted and the model cannot be exported.
    """
    exported = runtime.backend == "onnx"
    parts = parts_of(model) if runtime.exact_cpu else None
    if parts is not None:
        packed = PackedClassifier(model, parts, prepacked=not exported)
        if exported:
            session = _in_onnx(model, packed, lambda batch: packed.inputs(batch)._asdict(), GRID_SIZES)
            return lambda batch: session(batch)[: len(batch)]
        return lambda batch: packed(*packed.inputs(batch))[: len(batch)]

    def inputs(batch: Sequence[Encoding]) -> dict[str, torch.Tensor]:
        return feed.batch(batch, runtime.device)

    if exported:
        return _in_onnx(model, _ByPosition(model), inputs, PADDED_SIZES)
    return lambda batch: _logits(model, inputs(batch))


def is_batch_invariant(model: PreTrainedModel, runtime: Runtime, forward: Forward) -> bool:
    """Whether the logits of an input do not depend on the inputs beside it, to the last bit.

    They are meant not to where the model is run packed by torch. The libraries under it promise no such thing, so it is
    tried on this machine: inputs of many lengths alone, in pairs and all together.
    """
    if runtime.backend != "torch" or not runtime.exact_cpu or parts_of(model) is None:
        return False
    longest = min(int(model.config.max_position_embeddings) - 2, 120)
    vocabulary = int(model.config.vocab_size)
    tried = [
        Encoding(tuple((31 * length + 7 * place) % vocabulary for place in range(length)))
        for length in (1, 2, 5, 11, 16, 17, 23, 31, 32, 45, 64, 77, longest)
        if length <= longest
    ]
    with runtime.inference():
        together = forward(tried)
        alone = torch.cat([forward([encoding]) for encoding in tried])
        pairs = torch.cat([forward(tried[start : start + 2]) for start in range(0, len(tried), 2)])
    return torch.equal(together, alone) and torch.equal(together, pairs)


class _ByPosition(torch.nn.Module):
    """The model as a function of tensors alone."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return _logits(self.model, dict(zip(PADDED_SIZES, tensors, strict=False)))


def _logits(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    logits: torch.Tensor = outputs_of(model, inputs).logits
    return logits


def _in_onnx(
    model: PreTrainedModel,
    module: torch.nn.Module,
    inputs: Callable[[Sequence[Encoding]], dict[str, torch.Tensor]],
    sizes: dict[str, dict[int, str]],
) -> Forward:
    from harness.models.onnx import Session

    # Classifiers such as T5's read what stands at the end of a text, so the sample has one.
    end = getattr(model.config, "eos_token_id", None)
    sample = [e._replace(input_ids=(*e.input_ids[:-1], end)) for e in _SAMPLE] if isinstance(end, int) else _SAMPLE
    session = Session(module, inputs(sample), sizes, name=type(model).__name__)
    return lambda batch: session(inputs(batch))
