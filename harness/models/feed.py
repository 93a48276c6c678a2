"""What a model is fed: how batches are padded, and whether it takes segment ids."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from harness.components.model import Encoding
from harness.errors import HarnessError, InputError
from harness.models.runtime import moved
from harness.models.tokens import padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Feed:
    """How the tokenised inputs of one model become a batch.

    Attributes:
        pad_id: Token that fills up batches. The configuration's, where it has one: some classifiers tell by it which token
            is a text's last.
        segments: Whether the model takes segment ids (``token_type_ids``), and its tokenizer gives them. Then every batch has
            them: to XLNet none at all are something else than zeros.
        left: Whether batches are filled up on the left, for classifiers that read the last place whatever stands there.
    """

    pad_id: int
    segments: bool = False
    left: bool = False

    @classmethod
    def of(cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Feed:
        """What suits a model and its tokenizer, be they saved for each other or not (a DistilBERT with BERT's tokenizer)."""
        config: Any = model.config
        parameters = inspect.signature(model.forward).parameters
        anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        taken = "token_type_ids" in parameters or (anything and "input_ids" not in parameters)
        # With one kind of segment or none there is nothing to tell apart, and no vector for a second.
        told = "token_type_ids" in tokenizer.model_input_names and getattr(config, "type_vocab_size", None) not in (
            0,
            1,
        )
        return cls(int(config.pad_token_id), taken and told, getattr(config, "summary_type", None) == "last")

    def batch(self, encodings: Sequence[Encoding], device: torch.device) -> dict[str, torch.Tensor]:
        """One padded batch on ``device``, by the names that ``transformers`` models take."""
        ids, mask, segments = padded(encodings, self.pad_id, left=self.left, segments=self.segments)
        arrays = {"input_ids": ids, "attention_mask": mask}
        if segments is not None:
            arrays["token_type_ids"] = segments
        return {name: moved(array, device) for name, array in arrays.items()}


def settle_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, where: str) -> None:
    """Let a model and its tokenizer agree on a token that fills up batches, where one of them has none.

    Language models such as GPT-2 and Llama have none; the token that ends a text takes its place, as is usual.

    Raises:
        InputError: The tokenizer has no token for it.
    """
    config: Any = model.config
    embeddings: Any = model.get_input_embeddings()
    size = len(embeddings.weight)

    def known(token: Any) -> bool:
        return isinstance(token, int) and 0 <= token < size

    if not known(config.pad_token_id):
        candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id)
        found = next((token for token in candidates if known(token)), None)
        if found is None:
            raise InputError(
                f"The tokenizer of {where} has no token that could fill up batches (padding, end of text)."
            )
        config.pad_token_id = found
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config.pad_token_id)


def outputs_of(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> Any:
    """What ``model`` makes of a batch.

    Raises:
        InputError: Its own code failed: the family cannot be used so, or model and tokenizer do not belong together.
    """
    try:
        return model(**batch)
    except (torch.OutOfMemoryError, HarnessError):
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        first = (str(error).strip().splitlines() or ["no message"])[0]
        raise InputError(
            f"{type(model).__name__}, the checkpoint's model, failed on a batch of texts: {type(error).__name__}: {first}",
            hint="Do model and tokenizer of the checkpoint belong together? docs/models.md lists the families that work.",
        ) from error


def encoder_of(model: Any) -> Any:
    """The part of a pre-trained model that reads: of T5 and BART, which also write, the encoder alone."""
    if not getattr(model.config, "is_encoder_decoder", False):
        return model
    encoder = model.get_encoder()
    encoder.config.pad_token_id = model.config.pad_token_id  # its configuration may be a copy
    return encoder
