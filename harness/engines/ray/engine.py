"""The driver's side of the Ray engine."""

from __future__ import annotations

import logging
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from harness.engines.base import Engine, Finished, Numbered, StageError, info
from harness.engines.needs import wants_gpu
from harness.engines.options import EngineOptions
from harness.engines.ray.cluster import Cluster, connected, imported, lost, refuse_silence
from harness.engines.ray.code import installed_code
from harness.engines.ray.tasks import STOPPED, Box, Refused, Terms, compute_task
from harness.engines.resources import needs
from harness.engines.schedule import Schedule
from harness.engines.workers import ELSEWHERE
from harness.errors import InputError
from harness.observers.hooks import Observers
from harness.stages.base import PartsWanted, Stage
from harness.store.store import Store

LIVES = 2
"""How many workers may die of a stage before it has failed."""

NODES = 5
"""How many nodes may be lost under a stage before it has failed."""

MOST = 1000
"""Tasks that are submitted at a time, at most."""


def ray(options: EngineOptions) -> Callable[[Store], Engine]:
    """The engine ``ray``."""
    imported()
    if options.address is not None:
        refuse_silence(options.address)  # before anything is written
    return partial(RayEngine, jobs=options.jobs, threads=options.threads, address=options.address)


class RayEngine:
    """Computes stages whose inputs are there as tasks of a Ray cluster.

    A task is a pickled stage and the place of the store; results go through the store, and only small messages through Ray.
    A stage whose worker or node is lost is tried again. Bytes are those of the other engines, for equal ``threads``.

    Args:
        store: Where artifacts are looked up and kept; all nodes have to reach it.
        jobs: Number of tasks at a time, at most; by default as many as the cluster takes.
        threads: Processors, and threads, of each task.
        address: ``HOST:PORT`` of a cluster; by default that of ``RAY_ADDRESS``, or one that is started here.
    """

    def __init__(self, store: Store, *, jobs: int | None = None, threads: int = 1, address: str | None = None) -> None:
        self._store, self._jobs, self._threads, self._address = store, jobs or MOST, threads, address

    def compute(self, targets: Sequence[Stage[Any]], observers: Observers) -> Iterator[Finished]:
        """See :class:`harness.engines.base.Engine`.

        Raises:
            InputError: Ray is missing, nothing that fits is at the address, workers have other code or do not see the store.
            HarnessError: The cluster's head node is lost.
        """
        schedule = Schedule(targets, self._store)
        while (finished := schedule.settle()) is not None:  # what is there needs no cluster
            yield finished
        if not schedule.unsettled:
            return
        with ExitStack() as after, connected(self._address) as cluster, self._store.mark() as mark:
            if self._threads > cluster.cpus:
                raise InputError(
                    f"No node of the Ray cluster has {self._threads} processors; the largest has {cluster.cpus}.",
                    hint="Take fewer --threads.",
                )
            terms = Terms(self._store, self._threads, installed_code(), mark, tuple(sys.path))
            crew = _Tasks(schedule, self._store, Numbered(observers, len(schedule.todo)), cluster, terms)
            try:
                while schedule.unsettled:
                    crew.submit(self._jobs)
                    finished = schedule.settle()
                    if finished is not None:
                        yield finished
                    crew.listen(timeout=0 if finished is not None else 0.25)
            finally:
                after.callback(crew.sweep)  # when a cluster of our own has gone, and its workers with it
                crew.cancel()


class _Tasks:
    """The tasks of one computation.

    Args:
        schedule: What to compute.
        store: Where artifacts are.
        report: Told what happens.
        cluster: Where it is computed.
        terms: What workers have to know.
    """

    def __init__(self, schedule: Schedule, store: Store, report: Numbered, cluster: Cluster, terms: Terms) -> None:
        self._ray = imported()
        self._schedule, self._store, self._report = schedule, store, report
        self._cluster, self._terms = cluster, terms
        self._running: dict[Any, Stage[Any]] = {}
        self._losses: dict[str, Counter[str]] = {}  # by id of the stage: workers, nodes
        self._finished: set[str] = set()
        self._broken = False  # whether the cluster answers no more
        here = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=True
        )
        box = self._ray.remote(Box).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here)
        self._box = box.remote()
        self._task = self._ray.remote(_remote)
        self._terms_there = self._ray.put(terms)

    def submit(self, most: int) -> None:
        """Submit what is ready, as long as fewer than ``most`` tasks are."""
        while len(self._running) < most and (stage := self._schedule.take()) is not None:
            try:
                payload = pickle.dumps(stage)
            except Exception as error:  # noqa: BLE001 - whatever a component raises when it is pickled
                reason = f"it cannot be sent to a worker: {type(error).__name__}: {error}"
                self._fail(stage, StageError(info(stage), reason, hint=ELSEWHERE, exit_code=2))
                continue
            if needs(stage) > self._cluster.memory:
                raise InputError(
                    f"{stage.title}: it takes about {needs(stage) / 2**30:.1f} GiB of memory, and the largest node has "
                    f"{self._cluster.memory / 2**30:.1f} GiB for tasks.",
                    hint="Take a smaller checkpoint, fewer layers (num_hidden_layers), or other nodes.",
                )
            options: dict[str, Any] = {
                "num_cpus": self._terms.threads,
                "memory": needs(stage),
                "max_retries": 0,
                "name": stage.title,
            }
            if self._cluster.gpus and wants_gpu(stage):
                options["num_gpus"] = 1
            reference = self._task.options(**options).remote(info(stage), payload, self._terms_there, self._box)
            self._running[reference] = stage

    def listen(self, timeout: float) -> None:
        """Pass on what workers tell, waiting for an end of a task up to ``timeout`` seconds."""
        if not self._running:
            return
        try:
            self._cluster.check()
            done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout)
            self._hear()
        except self._ray.exceptions.RayError as error:
            self._broken = True
            raise lost(self._cluster.head) from error
        except Exception:
            self._broken = True
            raise
        for reference in done:
            self._settle(reference, self._running.pop(reference))

    def _hear(self) -> None:
        try:
            messages = self._ray.get(self._box.take.remote(), timeout=5)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.GetTimeoutError):
            return  # it is being started anew, or the head node is lost; then `check` says so
        for kind, content in messages:
            if kind == "report":
                hook, stage, arguments = content
                if hook == "stage_finished":
                    self._finished.add(stage.id)
                self._report(hook, stage, **arguments)
            else:
                name, level, line = content
                logging.getLogger(name).log(level, "%s", line)

    def _settle(self, reference: Any, stage: Stage[Any]) -> None:
        """A task has ended, in whatever way."""
        errors = self._ray.exceptions
        try:
            found = self._ray.get(reference)
        except errors.OutOfMemoryError:
            self._lose(stage, "worker", "memory ran out on its node", LIVES)
        except errors.WorkerCrashedError:
            self._lose(stage, "worker", "its worker ended", LIVES)
        except (errors.NodeDiedError, errors.ObjectLostError):
            self._lose(stage, "node", "its node was lost", NODES)
        except errors.RayTaskError as error:
            reason = str(error.cause or error).strip().splitlines()[-1]
            said = f"no worker can compute it: {type(error.cause).__name__}: {reason}"
            self._fail(stage, StageError(info(stage), said, hint=ELSEWHERE, exit_code=2))
        except errors.RayError as error:
            self._lose(stage, "node", f"{type(error).__name__}", NODES)
        else:
            if isinstance(found, Refused):
                raise InputError(found.reason, hint=found.hint)
            if found == STOPPED:
                raise KeyboardInterrupt
            if isinstance(found, PartsWanted):
                self._report.divided(stage, found)
                self._schedule.divide(stage, found.parts)
                return
            if found is None:
                self._kept(stage)  # should its message be lost
            self._schedule.done(stage, found)

    def _lose(self, stage: Stage[Any], what: str, how: str, lives: int) -> None:
        """A stage whose worker or node is gone is tried again, a few times."""
        if self._kept(stage):
            self._schedule.done(stage, None)
            return
        losses = self._losses.setdefault(stage.id, Counter())
        losses[what] += 1
        if losses[what] < lives:
            logging.getLogger(__name__).warning("%s: %s; it is tried once more.", stage.title, how)
            self._schedule.give_back(stage)
            return
        hint = "Memory has run out, as a rule: take a smaller batch, or nodes with more memory; `ray logs` says more."
        self._fail(stage, StageError(info(stage), f"{how}, {losses[what]} times.", hint=hint))

    def _kept(self, stage: Stage[Any]) -> bool:
        """Whether a stage was done when its task ended, as is then reported; what it had begun is removed."""
        if self._schedule.sound(stage):
            if stage.id not in self._finished:
                self._finished.add(stage.id)
                seconds = float(self._store.meta(stage.kind, stage.id).get("seconds", 0.0))
                self._report("stage_finished", info(stage), seconds=seconds)
            return True
        self._store.sweep(stage.kind, stage.id, lost=True)
        return False

    def _fail(self, stage: Stage[Any], error: StageError) -> None:
        self._report("stage_failed", info(stage), error=error)
        self._schedule.done(stage, error)

    def cancel(self) -> None:
        """End all tasks."""
        if self._broken or self._cluster.ours:  # the tasks of a cluster that is shut down end with it
            return
        for reference in self._running:
            with suppress(Exception):
                self._ray.cancel(reference, force=True)
        with suppress(Exception):
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=1)
        with suppress(Exception):
            self._hear()
        with suppress(Exception):
            self._ray.kill(self._box)

    def sweep(self) -> None:
        """Remove what tasks had begun that are ended."""
        if not self._broken:
            for stage in self._running.values():
                self._kept(stage)


def _remote(seen: Any, payload: bytes, terms: Terms, box: Any) -> Any:
    """What Ray runs: :func:`compute_task`, with the driver's box."""
    import ray

    def put(message: Any) -> Callable[[], None]:
        reference = box.put.remote(message)
        return lambda: ray.get(reference, timeout=30)

    return compute_task(seen, payload, terms, put)
