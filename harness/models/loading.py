"""Weights from a folder into ``transformers`` models."""

from __future__ import annotations

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
from harness.quiet import quiet


def load_for_fine_tuning(
    folder: Path, *, num_labels: int, num_hidden_layers: int | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """An encoder with a classification head of ``num_labels`` classes.

    A head that the checkpoint lacks, or has for another number of classes, is initialised from torch's global generator.
    """
    config = _read(folder, AutoConfig)
    if num_hidden_layers is not None:
        if num_hidden_layers > config.num_hidden_layers:
            raise InputError(
                f"num_hidden_layers is {num_hidden_layers}, but the checkpoint {folder} has {config.num_hidden_layers} layers."
            )
        config.num_hidden_layers = num_hidden_layers
    config.num_labels = num_labels
    model = _read(folder, AutoModelForSequenceClassification, config=config, ignore_mismatched_sizes=True)
    return model, load_tokenizer(folder)


def load_fine_tuned(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A classifier with the head that it was fine-tuned with.

    Raises:
        InputError: The folder holds an encoder without a head, or is damaged.
    """
    model, info = _read(folder, AutoModelForSequenceClassification, output_loading_info=True)
    if info["missing_keys"]:
        raise InputError(
            f"The checkpoint {folder} is not a fine-tuned classifier: it lacks {', '.join(sorted(info['missing_keys']))}.",
            hint="Fine-tune it first: harness.component('model', 'transformers', checkpoint=...).fine_tune(...).",
        )
    return model, load_tokenizer(folder)


@lru_cache(maxsize=1)
def load_encoder(folder: Path, device: str, identity: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The pre-trained encoder, kept for the next call; ``identity`` changes when the files do."""
    return _read(folder, AutoModel).to(device).eval(), load_tokenizer(folder)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint.

    Raises:
        InputError: It has no padding token, or is damaged.
    """
    tokenizer: PreTrainedTokenizerBase = _read(folder, AutoTokenizer)
    if tokenizer.pad_token_id is None:
        raise InputError(f"The tokenizer of {folder} has no padding token; encoders of the BERT family have one.")
    return tokenizer


def _read(folder: Path, reader: Any, **options: Any) -> Any:
    if reader not in (AutoConfig, AutoTokenizer):
        options |= {"dtype": torch.float32}
    try:
        with quiet():
            return reader.from_pretrained(folder, local_files_only=True, **options)
    except Exception as error:  # three libraries read these files, each with exceptions of its own
        first = (str(error).splitlines() or ["no message"])[0]
        raise InputError(f"The checkpoint {folder} cannot be read: {type(error).__name__}: {first}") from error
