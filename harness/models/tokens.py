"""Texts to token ids, and token ids to padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.components.model import Encoding
from harness.types import Texts

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

UNBOUNDED = int(1e29)
"""Tokenizers that know no maximum report one above this."""

DEFAULT_MAX_LENGTH = 512
"""The maximum where the tokenizer knows none, as TextAttack has it."""


def longest(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, wanted: int | None = None) -> int:
    """Tokens per input at most: what is wanted, within what tokenizer and position embeddings allow."""
    known = tokenizer.model_max_length
    bounds = [known if known < UNBOUNDED else DEFAULT_MAX_LENGTH]
    positions = getattr(config, "max_position_embeddings", None)
    if positions and positions > 0:  # XLNet, whose positions are relative, says -1
        # RoBERTa and its kin count positions from padding_idx + 1, which in MPNet is a constant.
        padding = 1 if config.model_type == "mpnet" else int(config.pad_token_id or 0)
        offset = padding + 1 if config.model_type in _OFFSET_POSITIONS else 0
        bounds.append(positions - offset)
    if wanted is not None:
        bounds.append(wanted)
    return int(min(bounds))


_OFFSET_POSITIONS = frozenset(
    (
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "camembert",
        "data2vec-text",
        "longformer",
        "mpnet",
    )
)


class Encoder:
    """A fast tokenizer with the settings of one classifier.

    It works on a copy of the tokenizer: the settings of truncation and padding are state inside it, and whoever else uses
    the same tokenizer would change them.

    Args:
        tokenizer: A ``transformers`` tokenizer, fast or slow.
        max_length: Tokens per input at most, special tokens included; pairs lose tokens of the longer text first.
        segments: Whether segment ids are wanted (:attr:`harness.models.feed.Feed.segments`).
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int, *, segments: bool) -> None:
        self._segments = segments
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._fast = None
        if tokenizer.is_fast:
            from tokenizers import Tokenizer

            self._fast = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
            self._fast.no_padding()
            self._fast.enable_truncation(max_length, strategy="longest_first", direction=tokenizer.truncation_side)
            self._told_apart = any(self._fast.encode("a").type_ids)  # XLNet's tokens differ in kind in single texts too
        # Of an empty text a tokenizer without special tokens leaves nothing, and a model needs something to read.
        blank = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, 0)
        self._blank = Encoding((next(token for token in blank if token is not None),))

    def __call__(self, texts: Sequence[Texts]) -> list[Encoding]:
        """Token ids of texts and pairs. Segment ids are given only where they are not all zero."""
        if self._fast is None:
            return [self._slow(text) for text in texts]
        texts = texts if isinstance(texts, list) else list(texts)
        try:
            encoded = self._fast.encode_batch_fast(texts)
        except (TypeError, UnicodeEncodeError):
            encoded = self._fast.encode_batch_fast([_well_formed(text) for text in texts])
        if not self._segments:
            return [Encoding(tuple(e.ids)) if e.ids else self._blank for e in encoded]
        return [
            Encoding(tuple(e.ids), tuple(e.type_ids) if self._told_apart or isinstance(text, tuple) else None)
            if e.ids
            else self._blank
            for e, text in zip(encoded, texts, strict=True)
        ]

    def _slow(self, text: Texts) -> Encoding:
        first, second = text if isinstance(text, tuple) else (text, None)
        out = self._tokenizer(first, second, truncation=True, max_length=self._max_length)
        segments = out.get("token_type_ids") if self._segments else None
        if not out["input_ids"]:
            return self._blank
        return Encoding(tuple(out["input_ids"]), tuple(segments) if segments and any(segments) else None)


def _well_formed(text: Texts) -> Texts:
    """The same text with lone surrogates replaced, which no tokenizer takes."""
    if isinstance(text, tuple):
        return (_repaired(text[0]), _repaired(text[1]))
    return _repaired(text)


def _repaired(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


IdArray = npt.NDArray[np.int64]


def longest_first(encodings: Sequence[Encoding]) -> IdArray:
    """Positions of tokenised inputs, longest first, equally long ones in their order."""
    lengths = np.fromiter((len(e.input_ids) for e in encodings), dtype=np.int64, count=len(encodings))
    return np.argsort(-lengths, kind="stable")


def padded(
    encodings: Sequence[Encoding], pad_id: int, *, left: bool = False, segments: bool = True, multiple: int = 1
) -> tuple[IdArray, IdArray, IdArray | None]:
    """Rectangular arrays of one batch: ids, attention mask and (if wanted) segment ids, all ``(n, length)``.

    Args:
        encodings: At least one.
        pad_id: Token that fills up the shorter ones; its segment id is 0.
        left: Fill up on the left instead of the right.
        segments: Make an array of segment ids; of an input without them they are 0.
        multiple: The length is rounded up to a multiple of this.
    """
    lengths = np.fromiter((len(e.input_ids) for e in encodings), dtype=np.int64, count=len(encodings))
    longest_row, total = -(-int(lengths.max()) // multiple) * multiple, int(lengths.sum())
    places = np.arange(longest_row)
    inside = places >= longest_row - lengths[:, None] if left else places < lengths[:, None]
    ids = np.full(inside.shape, pad_id, dtype=np.int64)
    ids[inside] = np.fromiter(chain.from_iterable(e.input_ids for e in encodings), dtype=np.int64, count=total)
    if not segments:
        return ids, inside.astype(np.int64), None
    kinds = np.zeros(inside.shape, dtype=np.int64)
    if any(e.token_type_ids is not None for e in encodings):
        flat = chain.from_iterable(e.token_type_ids or (0,) * len(e.input_ids) for e in encodings)
        kinds[inside] = np.fromiter(flat, dtype=np.int64, count=total)
    return ids, inside.astype(np.int64), kinds
