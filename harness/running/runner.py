"""Run a suite: plan it, compute what is missing, write records, and derive the leaderboard from them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.disk import explained, write_text
from harness.engines.local import LocalEngine, StageError
from harness.errors import HarnessError, InputError
from harness.observers.event_log import EventLog
from harness.observers.hooks import Observers, RunInfo, installed
from harness.plan import Plan, make_plan
from harness.quiet import logged_to
from harness.records.model import RecordFolder
from harness.registry import registry
from harness.report.publish import publish
from harness.running.preflight import complaints
from harness.running.record import write_cell
from harness.store.store import Store
from harness.version import __version__

if TYPE_CHECKING:
    from harness.report import Leaderboard
    from harness.suite import Suite
    from harness.valuation.report import ValuationReport

DEFAULT_OUTPUT = Path("runs")
DEFAULT_STORE = Path(".harness")


@dataclass(frozen=True)
class Run:
    """What a run left behind.

    Attributes:
        folder: The run folder: records, leaderboard files, report, logs.
        records: One record per data set, arm and seed that could be finished.
        leaderboard: Derived from the records; ``None`` when there is none.
        failures: The stages that failed, if any.
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
    observers: Sequence[Any] = (),
    complain: Callable[[str], None] | None = None,
) -> Run:
    """Run a suite, computing only what the store does not have.

    A stage that fails leaves out the arms that rest on it; the others go on, and ``Run.failures`` says what failed. An
    interrupted run loses the stage in progress at most: the same call goes on from there.

    Args:
        suite: A validated suite (:func:`harness.load_suite`).
        output: Folder for run folders; this run's is ``output/<name of the suite>``.
        store: Folder of the artifact store.
        observers: Objects with functions marked by :data:`harness.observers.hooks.hookimpl`, told what happens.
        complain: Takes one-line messages about observers that fail; by default they are logged.

    Returns:
        Records, leaderboard and failures.

    Raises:
        InputError: A component misses something, or a folder cannot be written; nothing was computed.
    """
    start = time.perf_counter()
    plan = prepare(suite)
    folder = Path(output) / suite.name
    artifacts = Store(Path(store))
    engine = LocalEngine(artifacts)
    if problems := complaints(suite, engine.demanded(plan.targets())):
        raise InputError("\n".join(problems))
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "suite.yaml", suite.to_yaml())
        log = EventLog(folder / "events.jsonl")
        log.write("harness", version=__version__)

    def said(line: str) -> None:
        with suppress(OSError):
            (complain or (lambda message: log.write("complaint", message=message)))(line)

    everyone = Observers([log, *observers], said)
    for name, observer in installed(registry(), said):
        everyone.add(observer, name)
    engine.observers = everyone
    stages = plan.stages()
    cached = sum(artifacts.has(stage.kind, stage.id) for stage in stages)
    info = RunInfo(suite.name, folder, len(stages), cached, engine.expect(plan.targets()), suite.resolved())
    failures: dict[str, StageError] = {}
    with logged_to(folder / "log.txt"):
        everyone.call("run_started", run=info)
        records = compute_cells(plan, engine, artifacts, folder, failures)
        leaderboard = publish(records, folder) if records else None
        valuations = assess_valuators(plan, engine, folder, failures)
        seconds = time.perf_counter() - start
        everyone.call("run_finished", run=info, leaderboard=leaderboard, seconds=seconds)
    return Run(folder, records, leaderboard, tuple(failures.values()), seconds, engine.computed, valuations)


def compute_cells(
    plan: Plan, engine: LocalEngine, store: Store, folder: Path, failures: dict[str, StageError]
) -> list[RecordFolder]:
    """Compute the cells of a plan and write their records; stages that fail are added to ``failures``."""
    records: list[RecordFolder] = []
    for cell in plan.cells:
        try:
            record = write_cell(cell, engine.ensure(cell.evaluate), store, folder, plan.suite)
        except StageError as error:
            failures.setdefault(str(error), error)
            continue
        records.append(record)
        engine.observers.call("record_written", record=record)
    return records


def assess_valuators(
    plan: Plan, engine: LocalEngine, folder: Path, failures: dict[str, StageError]
) -> list[ValuationReport]:
    """Compute the plan's assessments of valuators and write their boards."""
    from harness.stages.assess import assessed_of
    from harness.valuation.report import make_report, to_csv, to_json

    found: dict[str, list[Any]] = {}
    for item in plan.assessments:
        try:
            assessed = assessed_of(engine.ensure(item.stage))
        except StageError as error:
            failures.setdefault(str(error), error)
            continue
        found.setdefault(item.dataset, []).append((item.valuator, item.seed, *assessed))
    valuation = plan.suite.valuation
    if valuation is None or not found:
        return []
    from harness.report.html.valuation import valuation_page

    reports = [make_report(dataset, valuation.noise, items) for dataset, items in found.items()]
    with explained(folder):
        write_text(folder / "valuators.md", "\n".join(report.to_markdown() for report in reports))
        write_text(folder / "valuators.csv", to_csv(reports))
        write_text(folder / "valuators.json", to_json(reports))
        write_text(folder / "valuators.html", valuation_page(reports, title=plan.suite.name))
    return reports


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
