"""Attention with gradients over texts that lie one after the other, with dropout, and nothing computed for padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from harness.models.dropout import Dropout
from harness.models.runtime import moved

SCORES = 1 << 17
"""Attention scores per head of one group at most, so that all heads of it stay in a processor's caches."""

SHORTEST = 0.75
"""Texts of one group are at least so long, as a share of its longest."""


class Group(NamedTuple):
    """Texts of about one length: rows ``first`` to ``last`` of the batch, tokens ``start`` to ``stop``."""

    first: int
    last: int
    start: int
    stop: int
    length: int
    """Tokens of the longest."""
    slots: Tensor | None
    """In which cell of the grid ``(rows * length)`` a token is, ``(stop - start,)``; None if all texts are equally long."""
    bias: Tensor | None
    """``(rows, 1, 1, length)`` float32: 0, and minus infinity for padding."""

    @property
    def rows(self) -> int:
        """Number of texts."""
        return self.last - self.first


def groups_of(lengths: Sequence[int], device: torch.device) -> list[Group]:
    """Divide the texts of a batch, which must be sorted by length, longest first."""
    found, row, start = [], 0, 0
    while row < len(lengths):
        longest, last = lengths[row], row + 1
        while (
            last < len(lengths)
            and lengths[last] >= SHORTEST * longest
            and (last + 1 - row) * longest * longest <= SCORES
        ):
            last += 1
        inside = np.arange(longest) < np.asarray(lengths[row:last])[:, None]
        stop = start + int(inside.sum())
        if inside.all():
            found.append(Group(row, last, start, stop, longest, None, None))
        else:
            slots = np.flatnonzero(inside)
            bias = np.where(inside, np.float32(0), np.float32(-np.inf))[:, None, None]
            arrays = (moved(array, device) for array in (slots, bias))
            found.append(Group(row, last, start, stop, longest, *arrays))
        row, start = last, stop
    return found


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, groups: list[Group], p: float, dropout: Dropout
) -> Tensor:
    """Attention of each text's queries to its keys.

    Args:
        query: ``(t, d)``, or ``(n, d)``: then of each text's first token alone.
        key: ``(t, d)``, token vectors in the order of ``groups``.
        value: ``(t, d)``.
        heads: Number of heads, which divides ``d``.
        groups: The ``n`` texts.
        p: Probability in [0, 1) that a probability of attention is dropped.
        dropout: Draws the masks.

    Returns:
        As ``query``.
    """
    if query.device.type == "cpu" and query.dtype in (torch.float32, torch.float64):
        attended: Tensor = _Attention.apply(query, key, value, heads, groups, p, dropout)  # type: ignore[no-untyped-call]
        return attended
    alone = len(query) != len(key)
    parts = []
    for group in groups:
        tokens = slice(group.start, group.stop)
        k, v = (_split(_in_grid(x[tokens], group), group.rows, heads) for x in (key, value))
        q = _split(query[group.first : group.last] if alone else _in_grid(query[tokens], group), group.rows, heads)
        bias = None if group.bias is None else group.bias.to(q.dtype)
        out = _join(scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=p))
        parts.append(out if alone else _of_grid(out, group))
    return torch.cat(parts)


def _split(grid: Tensor, rows: int, heads: int) -> Tensor:
    """``(rows * length, d)`` as ``(rows, heads, length, d / heads)``."""
    return grid.view(rows, -1, heads, grid.shape[1] // heads).transpose(1, 2)


def _join(grid: Tensor) -> Tensor:
    return grid.transpose(1, 2).reshape(-1, grid.shape[1] * grid.shape[3])


def _spread(tokens: Tensor, group: Group) -> Tensor:
    """A grid of token vectors, with zeros in padding."""
    if group.slots is None:
        return tokens
    return tokens.new_zeros(group.rows * group.length, tokens.shape[1]).index_copy_(0, group.slots, tokens)


def _gather(grid: Tensor, group: Group) -> Tensor:
    return grid if group.slots is None else grid.index_select(0, group.slots)


def _in_grid(tokens: Tensor, group: Group) -> Tensor:
    grid: Tensor = _Grid.apply(tokens, group)  # type: ignore[no-untyped-call]
    return grid


def _of_grid(grid: Tensor, group: Group) -> Tensor:
    tokens: Tensor = _Cells.apply(grid, group)  # type: ignore[no-untyped-call]
    return tokens


class _Grid(torch.autograd.Function):
    """Token vectors into the cells of a group's grid; backwards a selection, where indexing would add up."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return _spread(tokens, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _gather(gradient, ctx.group), None


class _Cells(torch.autograd.Function):
    """The reverse of :class:`_Grid`."""

    @staticmethod
    def forward(ctx: Any, grid: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return _gather(grid, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _spread(gradient, ctx.group), None


class _Attention(torch.autograd.Function):
    """Attention by plain matrix products, with its gradient written out.

    Torch's fused kernel for CPUs knows no dropout. What is kept for the gradient is one tensor: the probabilities, with
    the sign of those that were dropped turned.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, heads: int, groups: list[Group], p: float, dropout: Dropout
    ) -> Tensor:
        out = torch.empty_like(query)
        alone = len(query) != len(key)
        kept: list[Tensor] = []
        scales = []
        for group in groups:
            tokens, own = slice(group.start, group.stop), slice(group.first, group.last) if alone else None
            k, v = (_split(_spread(x[tokens], group), group.rows, heads) for x in (key, value))
            q = _split(query[own] if own else _spread(query[tokens], group), group.rows, heads)
            probs = torch.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(2, 3))
            if group.bias is not None:
                probs += group.bias
            probs = probs.softmax(-1)
            scale = 1.0
            if p:
                signs, scale = dropout.signs(tuple(probs.shape), p)
                probs *= signs
            weights = probs.clamp_min(0) if p else probs
            attended = _join(torch.matmul(weights, v))
            if p:
                attended *= scale
            out[own or tokens] = attended if own else _gather(attended, group)
            kept.append(probs)
            scales.append(scale)
        ctx.heads, ctx.groups, ctx.scales = heads, groups, scales
        ctx.save_for_backward(query, key, value, out, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, *kept = ctx.saved_tensors
        alone, heads = len(query) != len(key), ctx.heads
        gradients = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        for group, probs, scale in zip(ctx.groups, kept, ctx.scales, strict=True):
            tokens, own = slice(group.start, group.stop), slice(group.first, group.last) if alone else None
            k, v = (_split(_spread(x[tokens], group), group.rows, heads) for x in (key, value))
            q, o, g = (
                _split(x[own] if own else _spread(x[tokens], group), group.rows, heads) for x in (query, out, gradient)
            )
            of_row = (o * g).sum(-1, keepdim=True)  # what softmax takes from each score of a row
            if scale != 1:
                g = g * scale
                weights, whole = probs.clamp_min(0), probs.abs()
            else:
                weights = whole = probs
            scores = torch.matmul(g, v.transpose(2, 3)).mul_(weights).addcmul_(whole, of_row, value=-1)
            root = 1 / math.sqrt(q.shape[-1])
            to_query = _join(torch.matmul(scores, k)).mul_(root)
            gradients[0][own or tokens] = to_query if own else _gather(to_query, group)
            to_key = _join(torch.matmul(scores.transpose(2, 3), q)).mul_(root)
            gradients[1][tokens] = _gather(to_key, group)
            gradients[2][tokens] = _gather(_join(torch.matmul(weights.transpose(2, 3), g)), group)
        return (*gradients, None, None, None, None)
