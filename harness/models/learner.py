"""What training asks of a classifier: logits with gradients, packed where its parts are known, and padded otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, gelu

from harness.components.model import Encoding
from harness.models.attention import attend, groups_of
from harness.models.dropout import Dropout
from harness.models.feed import Feed, outputs_of
from harness.models.gradients import Words
from harness.models.packed import Layer, Parts, Rates, parts_of
from harness.models.runtime import moved

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.models.runtime import Runtime
    from harness.types import IntArray


class Learner(Protocol):
    """A classifier in training."""

    def order(self, rows: IntArray) -> IntArray:
        """The same examples in the order in which :meth:`logits` wants them."""

    def logits(self, rows: IntArray) -> Tensor:
        """Logits ``(n, K)`` of training examples, with gradients and dropout."""

    def compact(self) -> AbstractContextManager[Rest | None]:
        """The context of training, in which parameters that no example can reach are put aside."""

    def whole(self, rest: Rest | None) -> AbstractContextManager[None]:
        """Inside of :meth:`compact`, the context of a look at the whole model as it would be if training ended here."""

    def tokens(self, rows: IntArray) -> tuple[IntArray, Words | None]:
        """Of which of these examples each token is that layers read one after the other, and embeddings that have no layer."""

    def beside(self, encodings: Sequence[Encoding], rest: Rest | None) -> Learner:
        """Inside of :meth:`compact`, what gives logits of other texts by the same parameters as they are at that time.

        Without dropout, as long as the model is in evaluation mode. It is no learner of its own: only its logits are asked for.
        """


def learner_of(
    model: PreTrainedModel, encodings: Sequence[Encoding], feed: Feed, runtime: Runtime, dropout: Dropout
) -> Learner:
    """The fastest way in which gradients of this model can be had, exact to the rounding of its arithmetic."""
    parts = parts_of(model)
    if parts is None:
        return PaddedLearner(model, encodings, feed, runtime.device)
    return PackedLearner(model, parts, encodings, runtime.device, dropout)


class PaddedLearner:
    """Any ``transformers`` model, on batches that are padded to their longest text."""

    def __init__(self, model: PreTrainedModel, encodings: Sequence[Encoding], feed: Feed, device: torch.device) -> None:
        self._model, self._encodings, self._feed, self._device = model, encodings, feed, device

    def order(self, rows: IntArray) -> IntArray:
        """As they are."""
        return rows

    def logits(self, rows: IntArray) -> Tensor:
        """See :class:`Learner`."""
        batch = self._feed.batch([self._encodings[row] for row in rows], self._device)
        logits: Tensor = outputs_of(self._model, batch).logits
        return logits

    def compact(self) -> AbstractContextManager[None]:
        """Nothing is put aside: a model may ask its ids for more than their vectors."""
        return nullcontext()

    def whole(self, rest: Rest | None) -> AbstractContextManager[None]:
        """It is whole all along."""
        return nullcontext()

    def tokens(self, rows: IntArray) -> tuple[IntArray, None]:
        """Layers read one example after the other."""
        return np.arange(len(rows)), None

    def beside(self, encodings: Sequence[Encoding], rest: Rest | None) -> PaddedLearner:
        """See :class:`Learner`."""
        return PaddedLearner(self._model, encodings, self._feed, self._device)


class Rest:
    """Rows of an embedding matrix that no training example uses, which weight decay shrinks all the same.

    Their gradient is zero, so AdamW's moments stay zero and each step multiplies them by the same number. Only the product
    is kept: exact but for its rounding.
    """

    def __init__(self) -> None:
        self.factor = 1.0

    def step(self, learning_rate: float, weight_decay: float) -> None:
        """Count one step of AdamW."""
        self.factor *= 1 - learning_rate * weight_decay


class PackedLearner:
    """BERT's kin: token vectors lie one after the other, and of the last layer only the first token is computed.

    Args:
        model: The classifier, in float32 and in training mode when it is used.
        parts: What :func:`harness.models.packed.parts_of` found in it.
        encodings: The ``n`` training examples.
        device: Where the model is.
        dropout: Draws all masks but the head's, which is a module of torch's.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        parts: Parts,
        encodings: Sequence[Encoding],
        device: torch.device,
        dropout: Dropout,
    ) -> None:
        self._model, self._parts, self._device, self._dropout = model, parts, device, dropout
        self._apart: tuple[Tensor, Rest | None] | None = None
        self._heads = int(model.config.num_attention_heads)
        self._lengths = np.fromiter((len(e.input_ids) for e in encodings), dtype=np.int64, count=len(encodings))
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)])
        self._ids = np.concatenate([np.asarray(e.input_ids, dtype=np.int64) for e in encodings])
        self._segments = np.concatenate(
            [np.asarray(e.token_type_ids or np.zeros(len(e.input_ids)), dtype=np.int64) for e in encodings]
        )
        self._positions = np.arange(len(self._ids)) - np.repeat(self._starts[:-1], self._lengths)
        self._padding = parts.embeddings.word_embeddings.padding_idx
        if (
            model.config.model_type == "roberta"
        ):  # counts positions from its padding token on, which has none of its own
            pad = int(model.config.pad_token_id or 0)
            real = self._ids != pad
            before = np.concatenate([[0], np.cumsum(real)])
            counted = before[1:] - np.repeat(before[self._starts[:-1]], self._lengths)
            self._positions = counted * real + pad

    def order(self, rows: IntArray) -> IntArray:
        """Longest first."""
        ordered: IntArray = rows[np.argsort(-self._lengths[rows], kind="stable")]
        return ordered

    @contextmanager
    def compact(self) -> Iterator[Rest]:
        """Train a smaller matrix of word embeddings: of the tokens that occur in the training set only.

        Gradients, norms and AdamW's step over the 23 million numbers of a usual one take as long as a layer; most of its
        rows belong to tokens that a small training set does not have.
        """
        words = self._parts.embeddings.word_embeddings
        whole, ids, padding, rest = words.weight, self._ids, self._padding, Rest()
        used, self._ids = np.unique(ids, return_inverse=True)
        self._padding = None if padding is None or padding not in used else int(np.searchsorted(used, padding))
        index = moved(used, self._device)
        words.weight = nn.Parameter(whole.detach().index_select(0, index))
        self._put_aside = whole.detach(), index
        try:
            yield rest
            with torch.no_grad():
                whole.mul_(rest.factor).index_copy_(0, index, words.weight.detach())
        finally:
            words.weight, self._ids, self._padding = whole, ids, padding

    @contextmanager
    def whole(self, rest: Rest | None) -> Iterator[None]:
        """All word embeddings in their places; the smaller matrix that is trained comes back as it was."""
        words = self._parts.embeddings.word_embeddings
        trained, (aside, index) = words.weight, self._put_aside
        full = aside * (1.0 if rest is None else rest.factor)
        words.weight = nn.Parameter(full.index_copy_(0, index, trained.detach()), requires_grad=False)
        try:
            yield
        finally:
            words.weight = trained

    def beside(self, encodings: Sequence[Encoding], rest: Rest | None) -> PackedLearner:
        """See :class:`Learner`. Tokens that no training example has come after those that are trained."""
        rates = [Rates(0.0, 0.0, 0.0)] * len(self._parts.layers)
        found = PackedLearner(self._model, self._parts._replace(rates=rates), encodings, self._device, self._dropout)
        aside, index = self._put_aside
        trained = index.cpu().numpy()
        foreign = np.setdiff1d(found._ids, trained)
        places = np.full(int(max(trained.max(), found._ids.max())) + 1, -1, dtype=np.int64)
        places[trained], places[foreign] = np.arange(len(trained)), len(trained) + np.arange(len(foreign))
        padding = found._padding
        inside = padding is not None and padding < len(places) and places[padding] >= 0
        found._ids, found._padding = places[found._ids], int(places[padding]) if inside else None
        found._apart = aside.index_select(0, moved(foreign, self._device)), rest
        return found

    def tokens(self, rows: IntArray) -> tuple[IntArray, Words]:
        """See :class:`Learner`; words are added to positions, which have a layer."""
        tokens = self._tokens(rows)
        words = Words(
            self._parts.embeddings.word_embeddings.weight, self._ids[tokens], self._parts.embeddings.position_embeddings
        )
        return np.repeat(np.arange(len(rows)), self._lengths[rows]), words

    def _tokens(self, rows: IntArray) -> IntArray:
        """Where the tokens of these examples are, one example after the other."""
        lengths = self._lengths[rows]
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        found: IntArray = np.arange(int(lengths.sum())) + np.repeat(self._starts[rows] - first, lengths)
        return found

    def _words(self) -> Tensor:
        """Vectors of tokens, by the ids that are used here."""
        trained: Tensor = self._parts.embeddings.word_embeddings.weight
        if self._apart is None:
            return trained
        aside, rest = self._apart
        return torch.cat([trained, aside * (1.0 if rest is None else rest.factor)])

    def logits(self, rows: IntArray) -> Tensor:
        """See :class:`Learner`; ``rows`` must be in the order of :meth:`order`."""
        lengths = self._lengths[rows]
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        tokens = self._tokens(rows)
        groups = groups_of(lengths.tolist(), self._device)
        states = self._embed(tokens)
        *body, last = zip(self._parts.layers, self._parts.rates, strict=True)
        for layer, rates in body:
            query, key, value = layer.query(states), layer.key(states), layer.value(states)
            attended = attend(query, key, value, self._heads, groups, rates.attention, self._dropout)
            states = self._after(layer, rates, states, attended)
        layer, rates = last
        key, value = layer.key(states), layer.value(states)
        states = _First.apply(states, moved(first, self._device))  # type: ignore[no-untyped-call]
        attended = attend(layer.query(states), key, value, self._heads, groups, rates.attention, self._dropout)
        return self._parts.head(self._after(layer, rates, states, attended))

    def _embed(self, tokens: IntArray) -> Tensor:
        parts = self._parts.embeddings
        ids, positions, segments = (
            moved(array[tokens], self._device) for array in (self._ids, self._positions, self._segments)
        )
        states = embedding(ids, self._words(), self._padding) + parts.position_embeddings(positions)
        if hasattr(parts, "token_type_embeddings"):
            states = states + parts.token_type_embeddings(segments)
        return self._dropped(parts.LayerNorm(states), 0.0 if self._apart is not None else parts.dropout.p)

    def _after(self, layer: Layer, rates: Rates, states: Tensor, attended: Tensor) -> Tensor:
        states = layer.attention_norm(states + self._dropped(layer.joined(attended), rates.joined))
        wide = gelu(layer.wide(states))
        normed: Tensor = layer.output_norm(states + self._dropped(layer.narrow(wide), rates.output))
        return normed

    def _dropped(self, states: Tensor, p: float) -> Tensor:
        return states * self._dropout.factors(tuple(states.shape), p, states.device) if p else states


class _First(torch.autograd.Function):
    """Rows of a matrix, each once; backwards they are written, where indexing would add up."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.count = len(states)
        return states.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return gradient.new_zeros(ctx.count, gradient.shape[1]).index_copy_(0, rows, gradient), None
