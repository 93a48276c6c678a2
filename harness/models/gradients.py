"""Gradients of single points by a whole network, without a backward pass for each of them.

In a batch whose points do not meet, the gradient of a sum by a layer's output falls apart into points, and with the layer's
input makes the gradient of each point by the layer's parameters: for a linear layer the sum over tokens of outer products. So
one backward pass gives what is needed for all points (Wang et al. 2025, section 4.2), and outer products are made of projected
vectors (Choe et al. 2024, LoGra), so that no gradient is ever written down in its full size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from harness.seeds import derive_seed

if TYPE_CHECKING:
    from harness.types import IntArray

LAYERS = (nn.Linear, nn.Embedding, nn.LayerNorm)
"""Whose parameters count: with those of BERT's kin all. Parameters of other layers are left out."""

SIDE = 32
"""Vectors are projected to so many numbers before outer products are made of them."""


class Call:
    """One use of a layer in a forward pass, and the gradient by its output once the backward pass was there."""

    def __init__(self, name: str, layer: nn.Module, given: Tensor) -> None:
        self.name, self.layer, self.given = name, layer, given.detach()
        self.gradient: Tensor | None = None

    def keep(self, gradient: Tensor) -> None:
        """A hook of the output."""
        self.gradient = gradient.detach()


class Capture:
    """Notes uses of a network's layers, while it is :attr:`on`."""

    def __init__(self, model: nn.Module) -> None:
        self.on, self.rows = False, 0
        self.layers: dict[str, nn.Module] = {
            name: layer for name, layer in model.named_modules() if isinstance(layer, LAYERS)
        }
        self._calls: list[Call] = []
        self._handles = [layer.register_forward_hook(self._note(name)) for name, layer in self.layers.items()]

    def release(self) -> None:
        """Note nothing any more."""
        for handle in self._handles:
            handle.remove()

    def taken(self) -> list[Call]:
        """The uses since this was last called."""
        calls, self._calls = self._calls, []
        return calls

    def _note(self, name: str) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def note(layer: nn.Module, given: Any, output: Tensor) -> Tensor | None:
            if not self.on:
                return None
            spread = None
            if isinstance(layer, nn.Embedding) and self.rows > len(output) == 1:
                # Positions, which are looked up once for all rows: their gradients are wanted row by row.
                given, spread = (given[0].expand(self.rows, -1),), output.expand(self.rows, -1, -1)
                output = spread
            if output.requires_grad:
                call = Call(name, layer, given[0])
                output.register_hook(call.keep)  # type: ignore[no-untyped-call]
                self._calls.append(call)
            return spread

        return note


@contextmanager
def capturing(capture: Capture, rows: int = 0) -> Iterator[None]:
    """The context of a forward pass whose uses of layers are noted; of ``rows`` rows, where each is a point."""
    capture.on, capture.rows = True, rows
    try:
        yield
    finally:
        capture.on, capture.rows = False, 0


class Projection:
    """Projects gradients of points by all parameters to ``size`` numbers, so that inner products stay what they are on average.

    Both vectors of which a gradient is made are multiplied by random signs, the outer products are added up in random places
    with random signs. Where there are no more parameters than numbers, gradients are taken as they are.

    Args:
        layers: By name.
        size: Numbers per point.
        seed: Draws the signs.
    """

    def __init__(self, layers: dict[str, nn.Module], size: int, seed: int) -> None:
        shapes = {name: _shape(layer) for name, layer in layers.items()}
        total = sum(rows * columns for rows, columns in shapes.values())
        self.exact = total <= size
        self.size = total if self.exact else size
        self._sides: dict[str, tuple[Tensor | None, Tensor | None]] = {}
        self._places: dict[str, tuple[Tensor, Tensor]] = {}
        start = 0
        for name, (rows, columns) in shapes.items():
            generator = torch.Generator().manual_seed(derive_seed(seed, name) % (1 << 63))
            narrow = not self.exact and not isinstance(layers[name], nn.LayerNorm)
            device = next(layers[name].parameters()).device
            sides = [
                _signs((n, SIDE), generator, device) / SIDE**0.5 if narrow and n > SIDE else None
                for n in (rows, columns)
            ]
            self._sides[name] = (sides[0], sides[1])
            count = (rows if sides[0] is None else SIDE) * (columns if sides[1] is None else SIDE)
            if self.exact:
                places, signs = torch.arange(start, start + count, device=device), torch.ones(count, device=device)
            else:
                places = torch.randint(size, (count,), generator=generator).to(device)
                signs = _signs((count,), generator, device)
            self._places[name] = places, signs
            start += count

    def of(self, calls: list[Call], n: int) -> Tensor:
        """``(n, size)`` float32, of a pass in which each of ``n`` rows is a point."""
        found = torch.zeros(n, self.size, device=calls[0].given.device)
        for call in calls:
            if call.gradient is None:  # nothing depends on what the layer gave
                continue
            left, right = self._sides[call.name]
            gradient = call.gradient.float().reshape(n, -1, call.gradient.shape[-1])
            if isinstance(call.layer, nn.Embedding) and call.layer.padding_idx is not None:
                learns = call.given.reshape(n, -1) != call.layer.padding_idx  # what fills up has no gradient
                gradient = gradient * learns[:, :, None]
            if isinstance(call.layer, nn.LayerNorm):
                normed = _normed(call).reshape(gradient.shape)
                outer = torch.stack([(gradient * normed).sum(1), gradient.sum(1)], dim=1)
            else:
                inputs = self._inputs(call, n, right)
                outer = torch.einsum("nto,nti->noi", gradient if left is None else gradient @ left, inputs)
            places, signs = self._places[call.name]
            found.index_add_(1, places, outer.reshape(n, -1) * signs)
        return found

    @staticmethod
    def _inputs(call: Call, n: int, side: Tensor | None) -> Tensor:
        """``(n, t, columns)``, projected: what the gradient by the output is multiplied with."""
        if isinstance(call.layer, nn.Embedding):
            ids = call.given.reshape(n, -1)
            if side is not None:
                return side[ids]
            return torch.nn.functional.one_hot(ids, call.layer.num_embeddings).float()
        given = call.given.float().reshape(n, -1, call.given.shape[-1])
        if call.layer.bias is not None:
            given = torch.cat([given, given.new_ones(*given.shape[:2], 1)], dim=2)
        return given if side is None else given @ side


def _shape(layer: nn.Module) -> tuple[int, int]:
    """Numbers of the two vectors that make a gradient: by the output, and what it is multiplied with."""
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features + (layer.bias is not None)
    if isinstance(layer, nn.Embedding):
        return layer.embedding_dim, layer.num_embeddings
    assert isinstance(layer, nn.LayerNorm)  # noqa: S101 - there are no others
    return 2, int(np.prod(layer.normalized_shape))


def _signs(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randint(2, shape, generator=generator).to(device).float() * 2 - 1


def _normed(call: Call) -> Tensor:
    layer: Any = call.layer
    return layer_norm(call.given.float(), layer.normalized_shape, None, None, layer.eps)


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """``(n,)`` log-odds of the labels: ``log(p / (1 - p))``. Of the cross-entropy the gradient is theirs times ``-(1 - p)``."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], float("-inf"))
    found: Tensor = own[:, 0] - others.logsumexp(dim=1)
    return found


@contextmanager
def activations_only(model: nn.Module, capture: Capture) -> Iterator[list[Tensor]]:
    """The context of a pass whose gradients go as far as what embeddings give, and to no parameter.

    What embeddings gave is in the list that the context gives: it is what to differentiate by.
    """
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    leaves: list[Tensor] = []

    def leaf(layer: nn.Module, given: Any, output: Tensor) -> Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[-1]

    embeddings = [layer for layer in capture.layers.values() if isinstance(layer, nn.Embedding)]
    handles = [layer.register_forward_hook(leaf, prepend=True) for layer in embeddings]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield leaves
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
        for handle in handles:
            handle.remove()


def products(calls: list[Call], pull: dict[nn.Parameter, Tensor], points: IntArray, words: Words | None) -> Tensor:
    """``(n,)`` float64 inner products of the gradients of points with another gradient.

    Args:
        calls: Uses of layers in the pass of ``n`` points.
        pull: The other gradient, by parameter.
        points: ``(t,)`` which point each token is of, where layers read one token after the other.
        words: Embeddings that are looked up without their layer.
    """
    device = calls[0].given.device
    n, owners = int(points.max()) + 1, torch.from_numpy(points).to(device)
    found = torch.zeros(n, dtype=torch.float64, device=device)
    for call in calls:
        if call.gradient is None:
            continue
        gradient = call.gradient.float()
        against = _against(call, pull)
        if words is not None and words.beside is call.layer and words.weight in pull:
            looked = pull[words.weight][torch.from_numpy(words.ids).to(device)]
            against = looked if against is None else against + looked
        if against is None:
            continue
        each = (gradient * against).reshape(len(gradient), -1).sum(1).double()
        if len(each) == len(points) != n:
            found.index_add_(0, owners, each)
        elif len(each) == n:
            found += each
    return found


class Words:
    """Embeddings of words that are looked up without their layer, and added to what another layer gives."""

    def __init__(self, weight: nn.Parameter, ids: IntArray, beside: nn.Module) -> None:
        self.weight, self.ids, self.beside = weight, ids, beside


def _against(call: Call, pull: dict[nn.Parameter, Tensor]) -> Tensor | None:
    """What the gradient by a layer's output is multiplied with, in the form of that output."""
    layer: Any = call.layer
    if layer.weight not in pull:
        return None
    weight = pull[layer.weight]
    if isinstance(layer, nn.Embedding):
        return weight[call.given]
    found = call.given.float() @ weight.T if isinstance(layer, nn.Linear) else _normed(call) * weight
    return found if layer.bias not in pull else found + pull[layer.bias]
