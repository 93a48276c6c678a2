"""What this machine has: cores, GPUs and memory that this process may use, and what a stage takes of the memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.stages.base import Stage

WORKER = 700 * 2**20
"""Bytes that a worker takes before it computes anything: the interpreter and the libraries."""

_CGROUP = Path("/sys/fs/cgroup")
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than the quota of its container."""
    bound = len(os.sched_getaffinity(0))
    try:
        quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
        return max(1, min(bound, int(quota) // int(period)))
    except (OSError, ValueError):  # no container, or "max"
        return bound


def gpus() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; asks no library."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        named = [device.strip() for device in visible.split(",")]
        return [device for device in named if device and device != "-1"]
    return [str(number) for number in range(len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else 0)]


def memory() -> int | None:
    """Bytes of memory that processes may take here: the machine's, or the container's; ``None`` where nobody says."""
    sizes = []
    try:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        sizes.append(int((_CGROUP / "memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass
    return min(sizes, default=None)


def default_jobs() -> int:
    """Stages at a time that use this machine: one for each GPU, or for each core where there are none."""
    return len(gpus()) or cores()


def needs(stage: Stage[Any]) -> int:
    """Bytes of memory that computing a stage takes in a process of its own, as far as its components know."""
    return WORKER + stage.memory


def refuse_too_large(stages: Iterable[Stage[Any]]) -> None:
    """Check that each stage fits into this machine's memory alone.

    Raises:
        InputError: One does not.
    """
    for message in too_large(stages):
        raise InputError(
            message, hint="Take a smaller checkpoint, fewer layers (num_hidden_layers), or another machine."
        )


def too_large(stages: Iterable[Stage[Any]]) -> Iterator[str]:
    """Say of the largest stage that it does not fit into this machine's memory alone, if so."""
    available = memory()
    largest = max(stages, key=needs, default=None)
    if largest is not None and available is not None and needs(largest) > available:
        yield (
            f"{largest.title}: it takes about {needs(largest) / 2**30:.1f} GiB of memory, and this machine has "
            f"{available / 2**30:.1f} GiB."
        )
