"""Predictions through ONNX Runtime."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import HarnessError, InputError
from harness.models.quiet import quiet

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from harness.models.tokens import IdArray
    from harness.types import FloatArray

_OPSET = 17


def check_installed() -> None:
    """Raise :class:`~harness.errors.InputError` unless ``onnx`` and ``onnxruntime`` are installed."""
    for name in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise InputError(
                f"backend onnx needs the package {name!r}, which is not installed.",
                hint="Install it with `pip install 'bliss-harness[onnx]'`, or set `backend: torch`.",
            )


class Session:
    """The graph of a classifier in float32 on the CPU, with as many threads as torch uses.

    Args:
        model: A ``transformers`` sequence classifier in evaluation mode.

    Raises:
        InputError: ONNX is not installed.
        HarnessError: The model cannot be exported.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        check_installed()
        import onnxruntime
        import torch

        self._segments = "token_type_ids" in _forward_names(model)
        graph = _export(model, segments=self._segments)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, ids: IdArray, mask: IdArray, segments: IdArray | None) -> FloatArray:
        """Logits ``(n, K)`` float32 of one padded batch."""
        feed = {"input_ids": ids, "attention_mask": mask}
        if self._segments:
            feed["token_type_ids"] = np.zeros_like(ids) if segments is None else segments
        logits: FloatArray = self._session.run(None, feed)[0]
        return logits


def _forward_names(model: PreTrainedModel) -> set[str]:
    import inspect

    return set(inspect.signature(model.forward).parameters)


def _export(model: PreTrainedModel, *, segments: bool) -> bytes:
    import torch

    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * segments

    class Logits(torch.nn.Module):
        """The model as a function of tensors alone."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.model(**dict(zip(names, tensors, strict=True))).logits
            return out

    # Two rows of which one is padded, so that the trace keeps the arithmetic of the mask.
    ids = torch.full((2, 8), 5, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    sample = (ids, mask, torch.zeros_like(ids))[: len(names)]
    file = io.BytesIO()
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                Logits().eval(),
                sample,
                file,  # type: ignore[arg-type]  # a stream is allowed, the annotation forgets it
                input_names=names,
                output_names=["logits"],
                dynamic_axes={name: {0: "rows", 1: "tokens"} for name in names} | {"logits": {0: "rows"}},
                opset_version=_OPSET,
                dynamo=False,  # the newer exporter needs a package more, and gains nothing for these graphs
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        first = (str(error).splitlines() or ["no message"])[0]
        raise HarnessError(
            f"The model {type(model).__name__} cannot be exported to ONNX: {first}", hint="Set `backend: torch`."
        ) from error
    return file.getvalue()
