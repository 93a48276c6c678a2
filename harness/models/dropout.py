"""Dropout masks drawn for a whole tensor at once, from a generator that belongs to the run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError

LEVELS = 1 << 16
"""Probabilities are rounded to multiples of 1 / 65,536: four elements share one draw of 64 bits."""


class Dropout:
    """Draws masks.

    On a CPU from numpy's SFC64: a tenth of the time that torch takes, whose ``bernoulli_`` draws a double for each element,
    and the same numbers whatever the number of threads. On other devices from torch's own generator there.

    Args:
        seed: Any non-negative integer.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.SFC64(seed)

    @property
    def state(self) -> dict[str, Any]:
        """The generator's state, as JSON."""
        state: Any = self._bits.state
        return {
            "state": [int(word) for word in state["state"]["state"]],
            "has_uint32": int(state["has_uint32"]),
            "uinteger": int(state["uinteger"]),
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        words = np.array(state["state"], dtype=np.uint64)
        whole: Any = {"bit_generator": "SFC64", **state, "state": {"state": words}}
        self._bits.state = whole

    def factors(self, shape: tuple[int, ...], p: float, device: torch.device) -> Tensor:
        """What an activation is multiplied by, float32: 0 with probability ``p`` in [0, 1), else 1 / (1 - p)."""
        if device.type != "cpu":
            return torch.empty(shape, device=device).bernoulli_(1 - p).div_(1 - p)
        kept, scale = self._kept(shape, p)
        return torch.from_numpy(np.multiply(kept, np.float32(scale), dtype=np.float32))

    def signs(self, shape: tuple[int, ...], p: float) -> tuple[Tensor, float]:
        """-1 with probability ``p`` in [0, 1) and 1 otherwise, float32, on the CPU; and the scale of what is kept."""
        kept, scale = self._kept(shape, p)
        signs = np.multiply(kept, np.float32(2), dtype=np.float32)
        signs -= 1
        return torch.from_numpy(signs), scale

    def _kept(self, shape: tuple[int, ...], p: float) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], float]:
        dropped = round(p * LEVELS)
        if not 0 <= dropped < LEVELS:
            raise HarnessError(f"A dropout probability of {p} leaves nothing; expected a number in [0, 1).")
        count = math.prod(shape)
        raw: Any = self._bits.random_raw(-(-count // 4))
        return (raw.view(np.uint16)[:count] >= dropped).reshape(shape), LEVELS / (LEVELS - dropped)
