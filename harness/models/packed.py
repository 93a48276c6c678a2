"""Forward passes of BERT's kin that compute nothing in vain: no padding, and of the last layer only the first token.

What a text gets does not depend on the texts beside it, to the last bit: see :data:`ROWS` and :data:`STEP`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from harness.models.tokens import padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.components.model import Encoding


ROWS = 4
"""Texts in a batch, at least; fewer are filled up. Products of fewer rows take other ways through the libraries, with sums in
another order."""

STEP = 16
"""The grid that attention computes on is as long as the longest text, rounded up to a multiple of this: the width of a vector
register in float32. Sums over a text then run through the same lanes, whatever the longest text beside it."""


class Layer(NamedTuple):
    """The parts of one transformer layer, under the same names for all architectures."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    joined: nn.Linear
    attention_norm: nn.LayerNorm
    wide: nn.Linear
    narrow: nn.Linear
    output_norm: nn.LayerNorm


class Rates(NamedTuple):
    """Probabilities of dropout in one transformer layer, in [0, 1)."""

    attention: float
    """Of attention's probabilities."""
    joined: float
    """Of what attention adds to a token's vector."""
    output: float
    """Of what the rest of the layer adds."""


class Parts(NamedTuple):
    """The parts of one classifier."""

    embeddings: Any
    layers: list[Layer]
    rates: list[Rates]
    """One for each layer; they count in training only."""
    head: Callable[[Tensor], Tensor]
    """Logits ``(n, K)`` of the first tokens' vectors ``(n, d)``, with dropout if the model is in training."""


class Inputs(NamedTuple):
    """A batch of ``n`` texts with ``t`` tokens in all, the longest of ``l`` tokens.

    Token vectors are kept in one row after the other, ``(t, d)``; only attention needs a grid, ``(n, l, d)``. What enters
    the first layer depends on token, position and segment alone, and the variants of a text that an attack asks about
    share most of them: it is computed for the ``u`` distinct ones.
    """

    ids: Tensor
    """Token ids, ``(u,)``."""
    positions: Tensor
    """Rows of the position embeddings, ``(u,)``."""
    segments: Tensor
    """Segment ids, ``(u,)``."""
    tokens: Tensor
    """Which of the distinct ones a token is, ``(t,)``."""
    first: Tensor
    """Which token is the first of each text, ``(n,)``."""
    cells: Tensor
    """Which token is in a cell of the grid, ``(n * l,)``; any in a cell of padding."""
    slots: Tensor
    """In which cell of the grid a token is, ``(t,)``."""
    mask: Tensor
    """Added to the attention scores, ``(n, 1, 1, l)`` float32: 0, and minus infinity for padding."""

    @classmethod
    def of(cls, encodings: Sequence[Encoding], pad_id: int, *, skip_padding_positions: bool) -> Inputs:
        """Pack a batch; with ``skip_padding_positions`` positions are counted as RoBERTa counts them.

        Fewer than :data:`ROWS` texts are filled up with the first one; the rows behind theirs are to be cut off.
        """
        encodings = [*encodings, *[encodings[0]] * (ROWS - len(encodings))]
        ids, mask, segments = padded(encodings, pad_id, multiple=STEP)
        inside = mask.astype(bool)
        if skip_padding_positions:
            real = ids != pad_id
            positions = np.cumsum(real, axis=1) * real + pad_id
        else:
            positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        triples = (ids, positions, np.zeros_like(ids) if segments is None else segments)
        sizes = [int(array.max()) + 1 for array in triples]
        codes, tokens = np.unique(np.ravel_multi_index([a[inside] for a in triples], sizes), return_inverse=True)
        slots = np.flatnonzero(inside)
        cells = np.zeros(inside.size, dtype=np.int64)
        cells[slots] = np.arange(len(slots))
        first = cells.reshape(inside.shape)[:, 0].copy()
        bias = np.where(inside, np.float32(0), np.float32(-np.inf))[:, None, None]
        arrays = (*np.unravel_index(codes, sizes), tokens, first, cells, slots, bias)
        return cls(*map(torch.from_numpy, arrays))


GRID_SIZES = {name: {0: "distinct"} for name in ("ids", "positions", "segments")} | {
    "tokens": {0: "tokens"},
    "first": {0: "rows"},
    "cells": {0: "cells"},
    "slots": {0: "tokens"},
    "mask": {0: "rows", 3: "length"},
}
"""Which dimensions of :class:`Inputs` vary, and which are equal."""


class PackedClassifier(nn.Module):
    """The same logits as the ``transformers`` model, up to the rounding of float32.

    Args:
        model: A BERT, RoBERTa or DistilBERT classifier in float32 on the CPU, in evaluation mode.
        parts: What :func:`parts_of` found in it.
        prepacked: Keep the weights a second time in the layout that oneDNN computes with, where this torch can; about a
            tenth faster. Such a module cannot be exported.
    """

    def __init__(self, model: PreTrainedModel, parts: Parts, *, prepacked: bool) -> None:
        super().__init__()
        self._model = model  # an export has to know whose parameters the embeddings and the head use
        self._heads = int(model.config.num_attention_heads)
        self._skip_padding_positions = model.config.model_type == "roberta"
        self._pad_id = int(model.config.pad_token_id or 0)
        self._embeddings = parts.embeddings
        self._head = parts.head
        *body, last = parts.layers
        self._body = [_Block(layer, [layer.query, layer.key, layer.value], prepacked) for layer in body]
        self._last = _Block(last, [last.key, last.value], prepacked)
        self._query = _Dense([last.query], prepacked)

    def inputs(self, encodings: Sequence[Encoding]) -> Inputs:
        """Pack a batch for this model."""
        return Inputs.of(encodings, self._pad_id, skip_padding_positions=self._skip_padding_positions)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits ``(n, K)`` of the tensors of :class:`Inputs`."""
        batch = Inputs(*inputs)
        distinct = self._embed(batch)
        width = distinct.shape[1]
        rows, length = batch.mask.shape[0], batch.mask.shape[3]

        def grid(vectors: Tensor, cells: Tensor) -> Tensor:
            vectors = vectors.index_select(0, cells).view(rows, length, -1, self._heads, width // self._heads)
            return vectors.permute(2, 0, 3, 1, 4)

        states, given, cells = (
            distinct.index_select(0, batch.tokens),
            distinct,
            batch.tokens.index_select(0, batch.cells),
        )
        for block in self._body:
            query, key, value = grid(block.attend(given), cells)
            attended = scaled_dot_product_attention(query, key, value, attn_mask=batch.mask)
            attended = attended.transpose(1, 2).reshape(rows * length, width).index_select(0, batch.slots)
            states = given = block.rest(states, attended)
            cells = batch.cells
        # Nothing but the first token's vector leaves the last layer; of the others it takes keys and values only.
        key, value = grid(self._last.attend(given), cells)
        states = states.index_select(0, batch.first)
        query = self._query(states).view(rows, self._heads, 1, width // self._heads)
        attended = scaled_dot_product_attention(query, key, value, attn_mask=batch.mask)
        return self._head(self._last.rest(states, attended.reshape(rows, width)))

    def _embed(self, batch: Inputs) -> Tensor:
        parts = self._embeddings
        states = parts.word_embeddings(batch.ids) + parts.position_embeddings(batch.positions)
        if hasattr(parts, "token_type_embeddings"):
            states = states + parts.token_type_embeddings(batch.segments)
        normed: Tensor = parts.LayerNorm(states)
        return normed


class _Block:
    """One layer: what attention is asked with, and all that comes after it."""

    def __init__(self, layer: Layer, projections: list[nn.Linear], prepacked: bool) -> None:
        self.attend = _Dense(projections, prepacked)
        self._joined = _Dense([layer.joined], prepacked)
        self._wide = _Dense([layer.wide], prepacked, activated=True)
        self._narrow = _Dense([layer.narrow], prepacked)
        self._attention_norm, self._output_norm = layer.attention_norm, layer.output_norm

    def rest(self, states: Tensor, attended: Tensor) -> Tensor:
        states = self._attention_norm(states + self._joined(attended))
        normed: Tensor = self._output_norm(states + self._narrow(self._wide(states)))
        return normed


class _Dense:
    """Linear layers side by side as one matrix product, with a GELU behind it if wanted."""

    def __init__(self, layers: list[nn.Linear], prepacked: bool, *, activated: bool = False) -> None:
        weight = torch.cat([layer.weight.detach() for layer in layers])
        self._bias = torch.cat([layer.bias.detach() for layer in layers])
        self._gelu = activated
        # The operators that torch's own compiler emits for this. They are not part of its public interface.
        self._onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if prepacked and _has_onednn() else None
        self._weight = weight if self._onednn is None else torch.ops.mkldnn._reorder_linear_weight(weight)

    def __call__(self, x: Tensor) -> Tensor:
        if self._onednn is None:
            out = linear(x, self._weight, self._bias)
            return gelu(out) if self._gelu else out
        fused: tuple[str, str] = ("gelu", "none") if self._gelu else ("none", "")
        done: Tensor = self._onednn(x, self._weight, self._bias, fused[0], [], fused[1])
        return done


def _has_onednn() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


def parts_of(model: PreTrainedModel) -> Parts | None:
    """The parts of a classifier that :class:`PackedClassifier` can run; None of any other."""
    read, config = _READERS.get(type(model).__name__), model.config
    known = (
        getattr(config, "hidden_act", getattr(config, "activation", None)) == "gelu"
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        and not getattr(config, "is_decoder", False)
    )
    if read is None or not known or model.dtype != torch.float32:
        return None
    try:
        parts = read(model)
    except AttributeError:  # another version of transformers may name its parts otherwise
        return None
    dense = (part for layer in parts.layers for part in layer if not isinstance(part, nn.LayerNorm))
    # Adapters put modules of their own in the place of linear layers.
    return parts if all(type(part) is nn.Linear and part.bias is not None for part in dense) else None


def _bert(model: Any) -> Parts:
    return Parts(
        model.bert.embeddings,
        *_bert_layers(model.bert.encoder.layer),
        lambda first: model.classifier(model.dropout(model.bert.pooler(first[:, None]))),
    )


def _roberta(model: Any) -> Parts:
    return Parts(
        model.roberta.embeddings,
        *_bert_layers(model.roberta.encoder.layer),
        lambda first: model.classifier(first[:, None]),
    )


def _bert_layers(layers: Any) -> tuple[list[Layer], list[Rates]]:
    parts = [
        Layer(
            layer.attention.self.query,
            layer.attention.self.key,
            layer.attention.self.value,
            layer.attention.output.dense,
            layer.attention.output.LayerNorm,
            layer.intermediate.dense,
            layer.output.dense,
            layer.output.LayerNorm,
        )
        for layer in layers
    ]
    rates = [
        Rates(layer.attention.self.dropout.p, layer.attention.output.dropout.p, layer.output.dropout.p)
        for layer in layers
    ]
    return parts, rates


def _distilbert(model: Any) -> Parts:
    layers = [
        Layer(
            layer.attention.q_lin,
            layer.attention.k_lin,
            layer.attention.v_lin,
            layer.attention.out_lin,
            layer.sa_layer_norm,
            layer.ffn.lin1,
            layer.ffn.lin2,
            layer.output_layer_norm,
        )
        for layer in model.distilbert.transformer.layer
    ]
    rates = [Rates(layer.attention.dropout.p, 0.0, layer.ffn.dropout.p) for layer in model.distilbert.transformer.layer]
    return Parts(
        model.distilbert.embeddings,
        layers,
        rates,
        lambda first: model.classifier(model.dropout(model.pre_classifier(first).relu())),
    )


_READERS: dict[str, Callable[[Any], Parts]] = {
    "BertForSequenceClassification": _bert,
    "RobertaForSequenceClassification": _roberta,
    "DistilBertForSequenceClassification": _distilbert,
}
