"""Predictions through ONNX Runtime."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import HarnessError, InputError
from harness.quiet import quiet

if TYPE_CHECKING:
    import torch

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
        module: Makes logits of tensors, given by position.
        sample: Tensors to trace it with, by name.
        sizes: Which dimensions of which tensor vary, by name; dimensions of one name are equal.
        name: What messages call it.

    Raises:
        InputError: ONNX is not installed.
        HarnessError: The module cannot be exported.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        sample: Mapping[str, torch.Tensor],
        sizes: Mapping[str, Mapping[int, str]],
        *,
        name: str,
    ) -> None:
        check_installed()
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        graph = _export(module, sample, sizes, name)
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._names = [given.name for given in self._session.get_inputs()]  # without those that the graph does not use

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits ``(n, K)`` float32 of one batch."""
        import torch

        feed = {name: inputs[name].numpy() for name in self._names}
        return torch.from_numpy(self._session.run(None, feed)[0])


def _export(
    module: torch.nn.Module, sample: Mapping[str, torch.Tensor], sizes: Mapping[str, Mapping[int, str]], name: str
) -> bytes:
    import torch

    file = io.BytesIO()
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                module.eval(),
                tuple(sample.values()),
                file,  # type: ignore[arg-type]  # a stream is allowed, the annotation forgets it
                input_names=list(sample),
                output_names=["logits"],
                dynamic_axes={given: dict(sizes[given]) for given in sample} | {"logits": {0: "rows"}},
                opset_version=_OPSET,
                dynamo=False,  # the newer exporter needs a package more, and gains nothing for these graphs
            )
    except Exception as error:  # tracing runs the model's own code, and exporting has errors of all kinds
        cause = error.__cause__ if isinstance(error, HarnessError) and error.__cause__ else error
        first = (str(cause).splitlines() or ["no message"])[0]
        raise HarnessError(
            f"The model {name} cannot be exported to ONNX: {first}", hint="Set `backend: torch`."
        ) from error
    return file.getvalue()
