"""Classifiers of which only low-rank adapters and the head are trained, and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.errors import InputError, did_you_mean
from harness.models.adapter import Adapter
from harness.models.classifier import TransformersClassifier
from harness.quiet import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.models.runtime import Runtime

_WEIGHTS, _NOTES = "adapter.safetensors", "adapter.json"


def adapted(model: PreTrainedModel, adapter: Adapter, drawn: Sequence[str]) -> Any:
    """The model with frozen weights, fresh adapters (from torch's global generator) and a head to be trained.

    Args:
        model: The model; it is changed in place.
        adapter: What is asked for.
        drawn: Names of its weights that the checkpoint lacks (BERT's pooler, often), which are trained and kept too.

    Raises:
        InputError: It has no layers of the names that are asked for.
    """
    with quiet():
        from peft import LoraConfig, get_peft_model

    fresh = {name.rpartition(".")[0] for name in drawn} - {""}
    layers = [name for name in _linear_layers(model) if name not in fresh]
    last = sorted({name.rpartition(".")[2] for name in layers})
    for wanted in adapter.layers:
        if wanted not in last:
            raise InputError(
                f"{type(model).__name__} has no linear layers called {wanted!r} for an adapter. "
                f"{did_you_mean(wanted, last)}",
                hint=f"It has {', '.join(last)}.",
            )
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]  # any number, whatever its annotation says
        lora_dropout=adapter.dropout,
        target_modules=[name for name in layers if not adapter.layers or name.rpartition(".")[2] in adapter.layers],
        modules_to_save=sorted({*_head(model), *(name for name in fresh if name.startswith(model.base_model_prefix))}),
    )
    with quiet():
        return get_peft_model(model, config)


def trained(model: Any) -> dict[str, Tensor]:
    """Copies of what was trained, by name: adapters and head."""
    return {
        name: parameter.detach().cpu().clone()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def merged(model: Any) -> PreTrainedModel:
    """The plain model, with the adapters' products added to its weights."""
    found: PreTrainedModel = model.merge_and_unload()
    return found


def restored(
    model: PreTrainedModel, adapter: Adapter, drawn: Sequence[str], folder: Path
) -> tuple[PreTrainedModel, dict[str, Tensor]]:
    """The plain model with the adapters and the head that were saved, and these.

    Raises:
        InputError: The file is damaged, or of another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    both = adapted(model, adapter, drawn)
    try:
        tensors = load_file(folder / _WEIGHTS)
        with torch.no_grad():
            for name, parameter in both.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(tensors[name])
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} holds no adapter of this model: {type(error).__name__}: {error}") from error
    return merged(both), tensors


def classes_in(folder: Path) -> list[str]:
    """The class names that a saved adapter's head decides between.

    Raises:
        InputError: There is no adapter in the folder.
    """
    try:
        labels = json.loads((folder / _NOTES).read_text(encoding="utf-8"))["labels"]
        return [str(label) for label in labels]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} holds no adapter: {type(error).__name__}: {error}") from error


class AdaptedClassifier(TransformersClassifier):
    """A classifier that predicts with merged weights, and of which only what was trained is kept.

    Args:
        model: The merged model.
        tokenizer: Its tokenizer.
        tensors: What :func:`trained` gave before it was merged.
        runtime: Where and how to compute.
        max_length: Tokens after which an input is cut.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        tensors: Mapping[str, Tensor],
        *,
        runtime: Runtime,
        max_length: int | None = None,
    ) -> None:
        super().__init__(model, tokenizer, runtime=runtime, max_length=max_length)
        self._tensors = dict(tensors)

    def save(self, folder: Path) -> None:
        """Write adapters and head (safetensors) and the names of the classes; the rest is the checkpoint's."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(self._tensors, folder / _WEIGHTS)
        names: Any = self.model.config.id2label
        labels = [names[index] for index in range(self.num_labels)]
        (folder / _NOTES).write_text(json.dumps({"labels": labels}), encoding="utf-8")


def _linear_layers(model: PreTrainedModel) -> list[str]:
    """Names of the linear layers of the encoder."""
    from transformers.pytorch_utils import Conv1D

    inside = {id(module) for module in model.base_model.modules()}
    return [
        name
        for name, module in model.named_modules()
        if id(module) in inside and isinstance(module, torch.nn.Linear | Conv1D)
    ]


def _head(model: PreTrainedModel) -> list[str]:
    """Names of the parts beside the encoder that have weights."""
    return [
        name
        for name, module in model.named_children()
        if module is not model.base_model and any(True for _ in module.parameters())
    ]
