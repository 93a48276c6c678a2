"""How many threads a stage computes with: sums over several are taken in another order, and end in other bits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What numerical libraries read when they are loaded."""


@contextmanager
def in_environment(threads: int, gpu: str | None = None) -> Iterator[None]:
    """State the number, and the one GPU to use if any, for libraries and processes that are loaded in this context."""
    stated = dict.fromkeys(VARIABLES, str(threads)) | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
    before = {name: os.environ.get(name) for name in stated}
    os.environ.update(stated)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Compute with ``threads`` threads in this context, and with as many as before after it; ``None``: as it is."""
    if threads is None:
        yield
        return
    import numpy as np  # noqa: F401 - loaded first, so that its linear algebra is among what is limited
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with in_environment(threads), threadpool_limits(threads):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def compute_threads() -> int:
    """The number of threads that torch computes with in this process, or would if it were loaded."""
    if (torch := sys.modules.get("torch")) is not None:
        return int(torch.get_num_threads())
    stated = os.environ.get("OMP_NUM_THREADS", "")
    return int(stated) if stated.isdecimal() and int(stated) else len(os.sched_getaffinity(0))
