"""Run a suite: plan it, compute what is missing, write records, and derive the leaderboard from them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.disk import DEFAULT_OUTPUT, DEFAULT_STORE, explained, write_text
from harness.engines import Engine, StageError, chosen
from harness.engines.demand import missing
from harness.engines.resources import refuse_too_large
from harness.errors import HarnessError, InputError, StoreError
from harness.observers.event_log import EventLog
from harness.observers.hooks import Observers, RunInfo, StageInfo, hookimpl, installed
from harness.plan import Assessment, Cell, Plan, make_plan
from harness.quiet import logged_to
from harness.records.model import RecordFolder
from harness.registry import registry
from harness.report.publish import publish
from harness.running.folder import run_folder, standing
from harness.running.preflight import complaints
from harness.running.record import write_cell
from harness.running.valuations import judged, valuations
from harness.stages.base import Stage
from harness.store.places import is_url, open_store
from harness.store.store import Artifact, DamagedArtifactError, Store
from harness.version import __version__

if TYPE_CHECKING:
    from harness.report import Leaderboard
    from harness.suite import Suite
    from harness.valuation.board import Judged
    from harness.valuation.datamodel import Retrainings
    from harness.valuation.report import ValuationReport


@dataclass(frozen=True)
class Run:
    """What a run left behind.

    Attributes:
        folder: The run folder: records, leaderboard files, report, logs.
        records: One record per data set, arm and seed that could be finished.
        leaderboard: Derived from all records of the folder's boards, those of earlier runs too; ``None`` when there is none.
        failures: The stages that failed, if any.
        notes: What to know of the folder: that it is not the usual one, that its board has rows of earlier runs.
        seconds: Wall time.
        computed: Number of stages that were computed; the others were in the store.
        valuations: The boards of valuators by data set, when the suite asks for them (``valuation``).
    """

    folder: Path
    records: Sequence[RecordFolder]
    leaderboard: Leaderboard | None
    failures: Sequence[StageError] = ()
    seconds: float = 0.0
    computed: int = 0
    valuations: Sequence[ValuationReport] = ()
    notes: Sequence[str] = ()


def prepare(suite: Suite) -> Plan:
    """Plan a suite.

    Raises:
        InputError: Something is missing that even the plan needs (a checkpoint, a data file): every component's complaint,
            with its place in the suite.
    """
    try:
        return make_plan(suite)
    except InputError:
        if problems := complaints(suite, None):
            raise InputError("\n".join(problems)) from None
        raise


def run(
    suite: Suite,
    *,
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    store: str | os.PathLike[str] = DEFAULT_STORE,
    engine: str | Callable[[Store], Engine] | None = None,
    jobs: int | None = 1,
    threads: int = 1,
    address: str | None = None,
    observers: Sequence[Any] = (),
    complain: Callable[[str], None] | None = None,
) -> Run:
    """Run a suite, computing only what the store does not have.

    A stage that fails leaves out the arms that rest on it; the others go on, and ``Run.failures`` says what failed. An
    interrupted run loses the stage in progress at most: the same call goes on from there.

    Args:
        suite: A validated suite (:func:`harness.load_suite`).
        output: Folder for run folders; this run's is ``output/<name of the suite>``, with a digest of the plan after it
            where records of another plan are there (:func:`harness.running.folder.run_folder`).
        store: Folder of the artifact store, or the URL of one (``s3://bucket/prefix``; :mod:`harness.store.remote`). A
            folder that cannot be written will do if everything is in it.
        engine: Name of an engine (``"ray"``; see :func:`harness.engines.chosen`), or what makes one from the store
            (:class:`harness.engines.Engine`); by default ``jobs`` chooses.
        jobs: Number of stages to compute at a time: 1 in this process, more in worker processes; ``None`` uses the machine
            (see :func:`harness.engines.chosen`), or all of a cluster. Bytes do not depend on it, for equal ``threads``.
        threads: Number of threads that a stage computes with.
        address: Where the engine's cluster is, for an engine that is named and has one.
        observers: Objects with functions marked by :data:`harness.observers.hooks.hookimpl`, told what happens.
        complain: Takes one-line messages about observers that fail; by default they are logged.

    Returns:
        Records, leaderboard and failures.

    Raises:
        InputError: A component misses something, or a folder cannot be written; nothing was computed.
    """
    start = time.perf_counter()
    make_engine = engine if callable(engine) else chosen(jobs, threads, engine=engine, address=address)
    plan = prepare(suite)
    folder, moved = run_folder(Path(output), plan)
    artifacts = opened(store, plan)
    needed = missing(plan.targets(), artifacts)
    if problems := complaints(suite, needed):
        raise InputError("\n".join(problems))
    if engine is None:
        refuse_too_large(needed)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "suite.yaml", suite.to_yaml())
        log = EventLog(folder / "events.jsonl")
        log.write("harness", version=__version__)

    def said(line: str) -> None:
        with suppress(OSError):
            (complain or (lambda message: log.write("complaint", message=message)))(line)

    tally = _Tally()
    everyone = Observers([tally, log, *observers], said)
    for name, observer in installed(registry(), said):
        everyone.add(observer, name)
    stages = plan.stages()
    cached = sum(artifacts.has(stage.kind, stage.id) for stage in stages)
    info = RunInfo(suite.name, folder, len(stages), cached, len(needed), suite.resolved())
    with logged_to(folder / "log.txt"):
        everyone.call("run_started", run=info)
        harvest = _Harvest(plan, artifacts, make_engine(artifacts), folder, everyone)
        harvest.gather()
        seconds = time.perf_counter() - start
        everyone.call("run_finished", run=info, leaderboard=harvest.leaderboard, seconds=seconds)
    failures = tuple(harvest.failures.values())
    return Run(
        folder=folder,
        records=harvest.records,
        leaderboard=harvest.leaderboard,
        failures=failures,
        seconds=seconds,
        computed=tally.computed,
        valuations=harvest.valuations,
        notes=[line for line in (moved, harvest.notes) if line],
    )


def opened(place: str | os.PathLike[str], plan: Plan) -> Store:
    """The store at a place, made if absent; one that cannot be written is read only if all that the plan wants is in it.

    Raises:
        StoreError: It cannot be written, and there is something to compute.
    """
    try:
        return open_store(place)
    except StoreError:
        if is_url(place):
            raise
        store = open_store(place, read_only=True)
        if missing(plan.targets(), store):
            raise
        return store


class _Tally:
    """Counts the stages that were computed."""

    computed = 0

    @hookimpl
    def stage_finished(self, stage: StageInfo) -> None:
        self.computed += not stage.part


class _Harvest:
    """Makes records and valuations of what an engine yields, in the order of the plan whatever the order it comes in.

    Attributes:
        records: Of the cells that could be finished.
        notes: A line on rows of earlier runs.
        leaderboard: Derived from them; ``None`` when there is none.
        valuations: The boards of valuators.
        failures: What failed, each message once.
    """

    def __init__(self, plan: Plan, store: Store, engine: Engine, folder: Path, observers: Observers) -> None:
        self._plan, self._store, self._engine, self._folder, self._observers = plan, store, engine, folder, observers
        self._assessed: dict[str, list[Judged]] = {}
        self._thresholds = plan.suite.thresholds
        self._utilities: dict[str, Retrainings] = {}
        self.records: list[RecordFolder] = []
        self.leaderboard: Leaderboard | None = None
        self.valuations: Sequence[ValuationReport] = ()
        self.failures: dict[str, StageError] = {}
        self.notes = ""

    def gather(self) -> None:
        """Iterate over the engine to its end."""
        unfinished = len(self._plan.cells)
        for item, error in self._settled():
            try:
                if error is not None:
                    raise error
                if isinstance(item, Cell):
                    self._record(item)
                else:
                    self._value(item)
            except StageError as failure:
                self.failures.setdefault(str(failure), failure)
            unfinished -= isinstance(item, Cell)
            if isinstance(item, Cell) and not unfinished and self.records:
                self._publish()
        self.valuations = valuations(self._plan.suite, self._assessed, self._folder)

    def _publish(self) -> None:
        everything, self.notes = standing(self._folder, self.records)
        try:
            self.leaderboard = publish(everything, self._folder)
        except InputError as error:
            if len(everything) == len(self.records):
                raise
            self.leaderboard = publish(self.records, self._folder)
            self.notes = f"rows of earlier runs are left out, because they contradict this one: {error.message}"

    def _settled(self) -> Iterator[tuple[Cell | Assessment, StageError | None]]:
        """Cells, then assessments, each as soon as all its targets and all before it are settled."""
        waiting = deque[Cell | Assessment]([*self._plan.cells, *self._plan.assessments])
        errors: dict[str, StageError | None] = {}
        for finished in self._engine.compute(self._plan.targets(), self._observers):
            errors[finished.target.id] = finished.error
            while waiting and all(target.id in errors for target in waiting[0].targets()):
                item = waiting.popleft()
                yield item, next((error for target in item.targets() if (error := errors[target.id])), None)
        if waiting:
            raise HarnessError(f"The engine {type(self._engine).__name__} left out {waiting[0].targets()[0].title}.")

    def _record(self, cell: Cell) -> None:
        record = write_cell(cell, self._open, self._store, self._folder, self._plan.suite)
        self.records.append(record)
        self._observers.call("record_written", record=record)

    def _value(self, item: Assessment) -> None:
        self._assessed.setdefault(item.dataset, []).append(judged(item, self._open, self._thresholds, self._utilities))

    def _open(self, stage: Stage[Any]) -> Artifact:
        """The artifact of a stage; the engine computes it again should it be damaged or missing."""
        try:
            return self._store.open(stage.kind, stage.id)
        except DamagedArtifactError:
            for finished in self._engine.compute([stage], self._observers):
                if finished.error is not None:
                    raise finished.error from None
            return self._store.open(stage.kind, stage.id)


def failed(run: Run) -> HarnessError | None:
    """One error that sums up a run's failures; ``None`` when there was none."""
    if not run.failures:
        return None
    lines = [str(failure) for failure in run.failures]
    error = HarnessError(
        "\n".join(lines),
        hint=f"Finished stages are kept: after the repair, the same command goes on. Details: {run.folder / 'events.jsonl'}",
    )
    error.exit_code = max(failure.exit_code for failure in run.failures)
    return error
