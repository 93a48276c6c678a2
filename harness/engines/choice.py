"""Which engine computes a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harness.engines.base import Engine
from harness.engines.local import LocalEngine
from harness.engines.processes import ProcessEngine
from harness.engines.resources import default_jobs
from harness.engines.workers import refuse_in_bootstrap
from harness.errors import InputError
from harness.store.store import Store


def chosen(jobs: int | None = 1, threads: int = 1) -> Callable[[Store], Engine]:
    """What makes an engine that computes ``jobs`` stages at a time, with ``threads`` threads each.

    Args:
        jobs: 1 computes in this process; more start worker processes. ``None`` takes what uses this machine
            (:func:`harness.engines.resources.default_jobs`).
        threads: Bytes depend on it, and on nothing else of this.

    Raises:
        InputError: A number below 1; or worker processes would start worker processes.
    """
    for name, number in (("jobs", jobs), ("threads", threads)):
        if name == "jobs" and number is None:
            continue
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise InputError(f"{name} is {number!r}, and has to be a whole number from 1 on.")
    jobs = jobs or default_jobs()
    if jobs == 1:
        return partial(LocalEngine, threads=threads)
    refuse_in_bootstrap()
    return partial(ProcessEngine, jobs=jobs, threads=threads)
