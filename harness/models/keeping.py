"""What a training that was killed goes on from: one file, written whole or not at all, and never larger than one state."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

EVERY = 30.0
"""Seconds between two states at least."""

SHARE = 30
"""Times as long as writing a state took, training goes on before the next one: it costs at most 3 %."""

PREFIX, SUFFIX = "training-", ".safetensors"


class State(NamedTuple):
    """All that the rest of a training depends on.

    Attributes:
        tensors: Parameters, moments of the optimiser, states of torch's generators, by name.
        notes: The rest, as JSON: steps done, states of the other generators.
    """

    tensors: dict[str, torch.Tensor]
    notes: dict[str, Any]


def keeper_in(folder: Path | None, device: torch.device) -> Keeper | None:
    """A keeper in a folder that belongs to one training, if there is such a folder.

    Other versions, devices and numbers of threads round otherwise, so they do not go on from it.
    """
    if folder is None:
        return None
    return Keeper(folder, {"torch": torch.__version__, "device": device.type, "threads": torch.get_num_threads()})


class Keeper:
    """Keeps the last state of one training in a folder.

    The name of its file holds a digest of it, so that a damaged one is known; the folder belongs to what is computed,
    so that no other training can find it. Two processes that compute the same write the same, and each reads what is whole.

    Args:
        folder: Made when there is something to keep.
        belongs: What the state is of, besides the folder: another version of torch would not go on with the same bits.
    """

    def __init__(self, folder: Path, belongs: dict[str, Any]) -> None:
        self._folder, self._belongs = folder, json.loads(json.dumps(belongs))
        self._next = time.monotonic() + EVERY

    @property
    def due(self) -> bool:
        """Whether it is time to keep a state."""
        return time.monotonic() >= self._next

    def keep(self, state: State) -> None:
        """Replace what was kept; if it cannot be written (a full disk) training goes on without."""
        from safetensors.torch import save

        start = time.monotonic()
        notes = {"notes": json.dumps(state.notes), "belongs": json.dumps(self._belongs)}
        payload = save({name: tensor.contiguous() for name, tensor in state.tensors.items()}, metadata=notes)
        name = f"{PREFIX}{hashlib.sha256(payload).hexdigest()}{SUFFIX}"
        temporary = self._folder / f"{name}.{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            earlier = [path for path in self._folder.iterdir() if path.name != name]
            with temporary.open("wb") as stream:
                stream.write(payload)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._folder / name)
            for path in earlier:
                path.unlink(missing_ok=True)
        except OSError as error:
            logging.getLogger(__name__).warning("the state of training could not be kept: %s", error)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        self._next = time.monotonic() + max(EVERY, SHARE * (time.monotonic() - start))

    def kept(self, device: str) -> State | None:
        """What an earlier process kept, with its tensors on ``device``; None if there is nothing that can be used."""
        from safetensors import SafetensorError

        found = None
        for path in sorted(self._folder.glob(f"{PREFIX}*{SUFFIX}")):
            try:
                state = self._read(path, device)
            except FileNotFoundError:  # another process that computes the same was faster
                continue
            except (OSError, ValueError, SafetensorError) as error:
                logging.getLogger(__name__).warning("%s is left aside, and training begins anew: %s", path, error)
                continue
            if found is None or state.notes["done"] > found.notes["done"]:
                found = state
        return found

    def _read(self, path: Path, device: str) -> State:
        from safetensors import safe_open

        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if path.name != f"{PREFIX}{digest}{SUFFIX}":
            raise ValueError("it differs from its checksum")
        with safe_open(path, framework="pt", device=device) as opened:
            notes = {key: json.loads(value) for key, value in opened.metadata().items()}
            if notes["belongs"] != self._belongs:
                raise ValueError("it is of another environment")
            return State({name: opened.get_tensor(name) for name in opened.keys()}, notes["notes"])  # noqa: SIM118
