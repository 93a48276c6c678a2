"""Weights from a folder into ``transformers`` models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from harness.errors import InputError
from harness.models.checkpoints import refuse_code
from harness.models.feed import encoder_of, settle_padding
from harness.models.head import HeadPlan, draw_head, name_outputs, reorder_head
from harness.quiet import quiet


def load_for_fine_tuning(
    folder: Path,
    *,
    num_labels: int,
    head: HeadPlan,
    labels: Sequence[str] | None = None,
    num_hidden_layers: int | None = None,
    trust_remote_code: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, list[str]]:
    """An encoder with a classification head of ``num_labels`` classes, its tokenizer, and the names of the weights drawn.

    A head that the checkpoint lacks, or that is not to be used, is drawn from torch's global generator; else the checkpoint's
    is brought into the order of the classes, whose names (``labels``) the configuration then has.

    Raises:
        InputError: The folder is damaged or of a family without classifiers, has code of its own that is not trusted, or has
            fewer layers than wanted.
    """
    config = _read(folder, AutoConfig, trust_remote_code)
    if num_hidden_layers is not None:
        layers = getattr(config, "num_hidden_layers", None)
        if layers is None or num_hidden_layers > layers:
            has = f"has {layers} layers" if layers is not None else "does not say how many layers it has"
            raise InputError(f"num_hidden_layers is {num_hidden_layers}, but the checkpoint {folder} {has}.")
        config.num_hidden_layers = num_hidden_layers
    config.num_labels = num_labels
    model, info = _read(
        folder,
        AutoModelForSequenceClassification,
        trust_remote_code,
        config=config,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    if head.order is not None:
        reorder_head(model, head.order)
    elif head.replaced:
        draw_head(model)
    if labels is not None:
        name_outputs(model.config, labels)
    return model, _tokenizer(folder, model, trust_remote_code), sorted(info["missing_keys"])


def load_fine_tuned(
    folder: Path, *, trust_remote_code: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A classifier with the head that it was fine-tuned with.

    Raises:
        InputError: The folder holds an encoder without a head, is damaged, or has code of its own that is not trusted.
    """
    model, info = _read(folder, AutoModelForSequenceClassification, trust_remote_code, output_loading_info=True)
    if info["missing_keys"]:
        raise InputError(
            f"The checkpoint {folder} is not a fine-tuned classifier: it lacks {', '.join(sorted(info['missing_keys']))}.",
            hint="Fine-tune it first: harness.component('model', 'transformers', checkpoint=...).fine_tune(...).",
        )
    return model, _tokenizer(folder, model, trust_remote_code)


@lru_cache(maxsize=1)
def load_encoder(
    folder: Path, device: str, identity: str, *, trust_remote_code: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The pre-trained encoder, kept for the next call; ``identity`` changes when the files do."""
    model = _read(folder, AutoModel, trust_remote_code)
    tokenizer = _tokenizer(folder, model, trust_remote_code)
    return encoder_of(model).to(device).eval(), tokenizer


def _tokenizer(folder: Path, model: PreTrainedModel, trust_remote_code: bool) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = _read(folder, AutoTokenizer, trust_remote_code)
    settle_padding(model, tokenizer, str(folder))
    return tokenizer


def _read(folder: Path, reader: Any, trust_remote_code: bool, **options: Any) -> Any:
    if reader not in (AutoConfig, AutoTokenizer):
        options |= {"dtype": torch.float32}
    try:
        with quiet():
            return reader.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code, **options)
    except Exception as error:  # three libraries read these files, each with exceptions of its own
        if not trust_remote_code:
            refuse_code(folder, error)
        first = (str(error).splitlines() or ["no message"])[0]
        raise InputError(f"The checkpoint {folder} cannot be read: {type(error).__name__}: {first}") from error
