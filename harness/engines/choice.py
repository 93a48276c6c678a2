"""Which engine computes a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harness.engines.base import Engine
from harness.engines.local import LocalEngine
from harness.engines.processes import ProcessEngine
from harness.engines.workers import refuse_in_bootstrap
from harness.errors import InputError
from harness.store.store import Store


def chosen(jobs: int = 1, threads: int | None = None) -> Callable[[Store], Engine]:
    """What makes an engine that computes ``jobs`` stages at a time, with ``threads`` threads each.

    Args:
        jobs: 1 computes in this process; more start worker processes.
        threads: By default 1 in worker processes, and in this process what libraries choose.

    Raises:
        InputError: A number below 1; or worker processes would start worker processes.
    """
    for name, number in (("jobs", jobs), ("threads", threads)):
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
            raise InputError(f"{name} is {number!r}, and has to be a whole number from 1 on.")
    if jobs == 1:
        return partial(LocalEngine, threads=threads)
    refuse_in_bootstrap()
    return partial(ProcessEngine, jobs=jobs, threads=threads or 1)
