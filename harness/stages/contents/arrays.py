"""What is computed per example: embeddings, data values, probabilities, and an order of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.stages.contents.base import Content
from harness.store.payload import as_float32, read_arrays, write_arrays
from harness.types import FloatArray, IntArray


@dataclass(frozen=True)
class Embeddings(Content):
    """``(n, d)`` float32 ``rows``, one per example."""

    rows: FloatArray

    def write(self, folder: Path) -> None:
        """One array, as float32."""
        write_arrays(folder / "embeddings.safetensors", {"embeddings": as_float32(self.rows)})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        return cls(read_arrays(folder / "embeddings.safetensors")["embeddings"])


@dataclass(frozen=True)
class Places(Content):
    """``(m,)`` int64 ``places`` in the training set, in the order in which they are to be attacked."""

    places: IntArray

    def write(self, folder: Path) -> None:
        """One array, as int64."""
        write_arrays(folder / "places.safetensors", {"places": self.places})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        return cls(read_arrays(folder / "places.safetensors")["places"])


@dataclass(frozen=True)
class Values(Content):
    """``(n,)`` float64 data ``values``, one per training example, higher is better."""

    values: FloatArray

    def write(self, folder: Path) -> None:
        """One array, as float64."""
        write_arrays(folder / "values.safetensors", {"values": self.values})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        return cls(read_arrays(folder / "values.safetensors")["values"])


@dataclass(frozen=True)
class Probabilities(Content):
    """``(n, K)`` float32 class probabilities ``probs``, one row per example."""

    probs: FloatArray

    def write(self, folder: Path) -> None:
        """One array, as float32."""
        write_arrays(folder / "probs.safetensors", {"probs": as_float32(self.probs)})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        return cls(read_arrays(folder / "probs.safetensors")["probs"])


@dataclass(frozen=True)
class Answers(Content):
    """``(n, K)`` float32 class probabilities of the ``test`` and of the ``validation`` examples."""

    test: FloatArray
    validation: FloatArray

    def write(self, folder: Path) -> None:
        """Two arrays, as float32."""
        arrays = {"test": as_float32(self.test), "validation": as_float32(self.validation)}
        write_arrays(folder / "answers.safetensors", arrays)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        return cls(**read_arrays(folder / "answers.safetensors"))
