"""Low-rank adapters: what they are given in a suite, and what is missing for them."""

from __future__ import annotations

import importlib.util

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import InputError


class Adapter(BaseModel):
    """A low-rank adapter (Hu et al. 2022): beside each layer's frozen weights a product of two thin matrices is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=8, ge=1)
    """Columns of the thin matrices."""
    alpha: float = Field(default=16.0, gt=0)
    """Their product is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of a layer's inputs that the adapter does not see in training."""
    layers: tuple[str, ...] = ()
    """Names of the linear layers that get one, such as `[q_proj, v_proj]`; by default all of the encoder's."""


def check_installed() -> None:
    """Raise :class:`~harness.errors.InputError` if the library is missing."""
    if importlib.util.find_spec("peft") is None:
        raise InputError(
            "`adapter` needs the package 'peft', which is not installed.",
            hint="Install it with `pip install 'bliss-harness[peft]'`.",
        )
