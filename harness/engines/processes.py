"""Several stages at a time, in worker processes on this machine."""

from __future__ import annotations

import atexit
import logging
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from harness.engines.base import Finished, Numbered, StageError, info
from harness.engines.resources import gpus, memory, needs
from harness.engines.schedule import Schedule
from harness.engines.workers import UNGUARDED, Worker, refuse_in_bootstrap, unguarded
from harness.errors import HarnessError
from harness.observers.hooks import Observers
from harness.stages.base import PartsWanted, Stage
from harness.store.store import Store

LIVES = 2
"""How many workers may die of a stage before it has failed."""


class ProcessEngine:
    """Computes stages whose inputs are there in worker processes, in the order of the plan.

    A worker that dies is replaced, and its stage is tried once more. Where there are GPUs, each worker sees one. No more
    stages run together than fit into memory. Bytes do not depend on ``jobs``, for equal ``threads``.

    Args:
        store: Where artifacts are looked up and kept.
        jobs: Number of workers, at most; at least 1.
        threads: Number of threads that each computes with; at least 1.
    """

    def __init__(self, store: Store, *, jobs: int = 2, threads: int = 1) -> None:
        refuse_in_bootstrap()
        self._store, self._jobs, self._threads = store, jobs, threads

    def compute(self, targets: Sequence[Stage[Any]], observers: Observers) -> Iterator[Finished]:
        """See :class:`harness.engines.base.Engine`.

        Raises:
            InputError: The main script runs a suite when it is imported.
            HarnessError: No worker can be started.
        """
        schedule = Schedule(targets, self._store)
        crew = _Crew(schedule, self._store, Numbered(observers, len(schedule.todo)), self._jobs, self._threads)
        atexit.register(crew.disband)  # before multiprocessing waits for processes that nobody ends any more
        try:
            while schedule.unsettled:
                crew.employ()
                finished = schedule.settle()
                if finished is not None:
                    yield finished
                crew.listen(timeout=0 if finished is not None else 1)
        finally:
            crew.disband()
            atexit.unregister(crew.disband)


class _Crew:
    """The workers of one computation.

    Args:
        schedule: What to compute.
        store: Where artifacts are.
        report: Told what happens.
        jobs: Number of workers, at most.
        threads: Number of threads of each.
    """

    def __init__(self, schedule: Schedule, store: Store, report: Numbered, jobs: int, threads: int) -> None:
        self._schedule, self._store, self._report = schedule, store, report
        self._jobs, self._threads = jobs, threads
        self._gpus, self._memory = gpus(), memory()
        self._workers: list[Worker] = []
        self._deaths: Counter[str] = Counter()  # by id of the stage; "" before there was one
        self._finished: set[str] = set()

    def employ(self) -> None:
        """Start workers as long as there is work for them, and give each that is idle a stage."""
        while len(self._workers) < min(self._jobs, len(self._schedule.todo)):
            worker = Worker(self._store, self._threads, self._free_gpu())
            self._workers.append(worker)  # before it is started, so that an interrupt finds it
            worker.start()
        for worker in self._workers:
            while worker.ready and worker.stage is None and (stage := self._schedule.take(self._fits)) is not None:
                if error := worker.give(stage):
                    self._fail(stage, error)

    def _free_gpu(self) -> str | None:
        """The GPU that the fewest workers have, if there are any."""
        taken = Counter(worker.gpu for worker in self._workers)
        return min(self._gpus, key=lambda gpu: taken[gpu], default=None)

    def _fits(self, stage: Stage[Any]) -> bool:
        """Whether there is memory for a stage beside those that run; for one alone there is, or nothing can be done."""
        running = [worker.stage for worker in self._workers if worker.stage is not None]
        return not running or self._memory is None or sum(map(needs, [*running, stage])) <= self._memory

    def listen(self, timeout: float) -> None:
        """Pass on what workers tell, waiting for it up to ``timeout`` seconds."""
        if not self._schedule.todo:
            return
        wait([end for worker in self._workers for end in worker.watched()], timeout)
        for worker in list(self._workers):
            ended = worker.ended()  # before the messages are read, so that none is missed
            self._hear(worker)
            if ended is not None:
                self._lose(worker, ended)

    def _hear(self, worker: Worker) -> None:
        for kind, content in worker.messages():
            if kind == "ready":
                worker.ready = True
                self._deaths.pop("", None)
            elif kind == "report":
                hook, stage, arguments = content
                if hook == "stage_finished":
                    self._finished.add(stage.id)
                self._report(hook, stage, **arguments)
            elif kind == "log":
                name, level, line = content
                logging.getLogger(name).log(level, "%s", line)
            elif kind == "stopped":
                raise KeyboardInterrupt
            elif worker.stage is not None:
                if isinstance(content, PartsWanted):
                    self._report.divided(worker.stage, content)
                    self._schedule.divide(worker.stage, content.parts)
                else:
                    self._schedule.done(worker.stage, content)
                worker.stage = None

    def _lose(self, worker: Worker, ended: str) -> None:
        """Clear up after a worker that has died."""
        self._workers.remove(worker)
        worker.kill()  # what it has started may live on
        worker.close()
        stage = worker.stage
        if not worker.ready:
            self._deaths[""] += 1
            if worker.exit_code == UNGUARDED:
                raise unguarded()
            if self._deaths[""] > self._jobs + LIVES:
                raise HarnessError(
                    f"Worker processes end before they are ready ({ended}).", hint="Try --jobs 1 (jobs=1)."
                )
        if stage is None:
            return
        if self._kept(stage):
            self._schedule.done(stage, None)
            return
        self._deaths[stage.id] += 1
        if self._deaths[stage.id] < LIVES:
            line = "%s: the worker that computed it ended (%s); it is tried once more."
            logging.getLogger(__name__).warning(line, stage.title, ended)
            self._schedule.give_back(stage)
        else:
            self._fail(stage, _died(stage, ended))

    def _kept(self, stage: Stage[Any]) -> bool:
        """Whether a stage was done when its worker ended, as is then reported; what it had begun is removed."""
        if self._schedule.sound(stage):
            if stage.id not in self._finished:
                self._finished.add(stage.id)
                seconds = float(self._store.meta(stage.kind, stage.id).get("seconds", 0.0))
                self._report("stage_finished", info(stage), seconds=seconds)
            return True
        for begun in (stage, *stage.inputs().values()):
            self._store.sweep(begun.kind, begun.id)
        return False

    def _fail(self, stage: Stage[Any], error: StageError) -> None:
        self._report("stage_failed", info(stage), error=error)
        self._schedule.done(stage, error)

    def disband(self) -> None:
        """End all workers; what they had begun is removed."""
        for worker in self._workers:
            worker.kill()
        while self._workers:
            worker = self._workers.pop()
            with suppress(KeyboardInterrupt):  # of its own, told too late
                self._hear(worker)
            worker.close()
            if worker.stage is not None:
                self._kept(worker.stage)


def _died(stage: Stage[Any], ended: str) -> StageError:
    if ended == signal.SIGKILL.name:
        hint = (
            "Memory has run out, as a rule: take fewer jobs (--jobs), a smaller batch, or a machine with more memory."
        )
    else:
        hint = "The run's log.txt may say why. With --jobs 1 it is computed in the harness's own process."
    return StageError(info(stage), f"the process that computed it was ended by {ended}, {LIVES} times.", hint=hint)
