"""Which engine computes a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harness.engines.base import Engine
from harness.engines.local import LocalEngine
from harness.engines.options import EngineOptions, factory
from harness.engines.processes import ProcessEngine
from harness.engines.resources import default_jobs
from harness.engines.workers import refuse_in_bootstrap
from harness.store.store import Store


def chosen(
    jobs: int | None = 1, threads: int = 1, *, engine: str | None = None, address: str | None = None
) -> Callable[[Store], Engine]:
    """What makes an engine that computes ``jobs`` stages at a time, with ``threads`` threads each.

    Args:
        jobs: 1 computes in this process; more start worker processes. ``None`` takes what uses this machine
            (:func:`harness.engines.resources.default_jobs`), or what uses the cluster.
        threads: Bytes depend on it, and on nothing else of this.
        engine: Name of an engine: ``local``, ``processes``, ``ray``, or one that a plugin brings (entry points of the group
            ``harness.engines``); by default ``jobs`` decides.
        address: Where that engine's cluster is.

    Raises:
        InputError: A number below 1, an unknown engine or one that cannot do what is asked; or worker processes would start
            worker processes.
    """
    options = EngineOptions(jobs, threads, address)
    if engine is not None:
        return factory(engine)(options)
    return local(options) if (jobs or default_jobs()) == 1 else processes(options)


def local(options: EngineOptions) -> Callable[[Store], Engine]:
    """The engine ``local``."""
    options.refuse_address("local")
    return partial(LocalEngine, threads=options.threads)


def processes(options: EngineOptions) -> Callable[[Store], Engine]:
    """The engine ``processes``."""
    options.refuse_address("processes")
    refuse_in_bootstrap()
    return partial(ProcessEngine, jobs=options.jobs or default_jobs(), threads=options.threads)
