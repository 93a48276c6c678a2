"""Run a suite: plan it, compute what is missing, write records, and derive the leaderboard from them."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.engines.local import LocalEngine, StageError, costs
from harness.errors import HarnessError, InputError
from harness.event_log import EventLog
from harness.hooks import Observers, RunInfo, installed
from harness.plan import Cell, Plan, make_plan
from harness.quiet import logged_to
from harness.records import DataRecord, Environment, Record, RecordFolder, ScoreRecord
from harness.registry import blaming, registry
from harness.stages.base import Configured, Stage
from harness.store import Artifact, Store, explained

if TYPE_CHECKING:
    from harness.components import Component
    from harness.report import Leaderboard
    from harness.suite import Suite
    from harness.valuation_report import ValuationReport

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
    with beside(suite):
        try:
            return make_plan(suite)
        except InputError:
            if problems := complaints(suite, None):
                raise InputError("\n".join(problems)) from None
            raise


def complaints(suite: Suite, needed: Sequence[Stage] | None) -> list[str]:
    """What components miss before work can start (an extra package, a key, a server), with their places in the suite.

    Args:
        suite: The suite.
        needed: The stages that have to be computed: only their components are asked, so that what is cached needs no
            key. ``None`` asks all.
    """
    asked = None if needed is None else {id(component) for stage in needed for component in components_of(stage)}
    found: dict[str, None] = {}
    with beside(suite):
        for path, slot in suite.slots():
            if asked is None or id(slot.component) in asked:
                try:
                    with blaming(slot.entry):
                        slot.component.preflight()
                        if asked is None:
                            _ = Configured(slot.component, slot.entry).identity
                except InputError as error:
                    found[f"{path}: {error}"] = None
    return list(found)


def components_of(stage: Stage) -> Iterator[Component]:
    """The components that a stage would use."""
    for value in vars(stage).values():
        items = value.values() if isinstance(value, Mapping) else [value]
        yield from (item.component for item in items if isinstance(item, Configured))


def beside(suite: Suite) -> Any:
    """A context in which relative paths in options start at the suite's folder."""
    from harness.datasets.paths import relative_to

    return relative_to(suite.source.parent.resolve()) if suite.source is not None else nullcontext()


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
        observers: Objects with functions marked by :data:`harness.hooks.hookimpl`, told what happens.
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
    with beside(suite), logged_to(folder / "log.txt"):
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


def write_cell(cell: Cell, evaluated: Artifact, store: Store, folder: Path, suite: Suite) -> RecordFolder:
    """Write the record of a cell from its evaluation."""
    import pandas as pd

    from harness.record_writer import write_record

    loaded = store.open(cell.stages["load"].kind, cell.stages["load"].id)
    data = loaded.json("data.json")
    metas = {stage.id: (stage, store.meta(stage.kind, stage.id)) for stage in cell.evaluate.closure()}
    spent = costs([(stage.kind, meta) for stage, meta in metas.values()])
    scores = {score.pop("name"): ScoreRecord(**score) for score in evaluated.json("scores.json")}
    header = Record(
        suite=suite.name,
        board=cell.board,
        dataset=cell.dataset,
        arm=cell.arm,
        seed=cell.seed,
        baseline=suite.baseline or "",
        arm_definition=dict(cell.definition),
        thresholds=suite.thresholds,
        data=DataRecord(
            fingerprint=data["fingerprint"],
            labels=tuple(data["task"]["labels"]),
            columns=tuple(data["task"]["columns"]),
            description=data["task"]["description"],
            **data["sizes"],
            notes=data["notes"],
        ),
        components=dict(cell.components),
        counts=counts(cell, store),
        usage={name: spent[name] for name in USAGE if name in spent},
        scores=scores,
        artifacts={role: stage.id for role, stage in {**cell.stages, "evaluate": cell.evaluate}.items()},
        files={},
        timings={stage.title: meta["seconds"] for stage, meta in metas.values() if "seconds" in meta},
        environment=environment(),
        harness=__version__,
    )
    frames = {
        path.relative_to(evaluated.folder).as_posix().removesuffix(".parquet"): pd.read_parquet(path)
        for path in sorted(evaluated.folder.rglob("*.parquet"))
    }
    target = folder / "records" / cell.dataset / cell.arm / f"seed-{cell.seed}"
    return write_record(target, header, frames)


USAGE = ("requests", "cached", "prompt_tokens", "completion_tokens", "money")


def counts(cell: Cell, store: Store) -> dict[str, int]:
    """What was attacked, found, made, repaired and rejected on the way to an arm."""
    from harness.stages.generate import rejected_of, synthetic_of

    found: dict[str, int] = {}
    if "elicit" in cell.stages:
        stage = cell.stages["elicit"]
        elicited = store.open(stage.kind, stage.id).json("counts.json")
        found |= {name: elicited[name] for name in ("attacked", "succeeded", "queries", "uus", "uus_wanted")}
    if "extend" in cell.stages:
        extended = store.open(cell.stages["extend"].kind, cell.stages["extend"].id)
        made, reasons = synthetic_of(extended), [item.reason for item in rejected_of(extended)]
        repairs = [tag for item in made for tag in item.example.tags if tag.startswith("repaired:")]
        found["synthetic"] = len(made)
        found["leaks"] = reasons.count("leakage")
        found |= {tag.replace(":", "/", 1): repairs.count(tag) for tag in sorted(set(repairs))}
        found |= {f"rejected/{reason}": reasons.count(reason) for reason in sorted(set(reasons))}
    return found


def environment() -> Environment:
    """This interpreter, machine and the versions of what matters to results."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    packages: dict[str, str] = {}
    for name in ("torch", "transformers", "numpy", "scikit-learn", "scipy", "pandas", "bliss-harness"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=packages,
        device=device,
        threads=torch.get_num_threads(),
    )


def publish(records: Sequence[RecordFolder], folder: Path) -> Leaderboard:
    """Write the leaderboard of the records in every format, and the report."""
    from harness.report import build
    from harness.report.html import render

    board = build(records)
    texts: Mapping[str, Callable[[], str]] = {
        "leaderboard.md": board.to_markdown,
        "leaderboard.csv": board.to_csv,
        "leaderboard.json": board.to_json,
        "report.html": lambda: render(records, board, title=records[0].header.suite),
    }
    with explained(folder):
        for name, make in texts.items():
            write_text(folder / name, make())
    return board


def assess_valuators(
    plan: Plan, engine: LocalEngine, folder: Path, failures: dict[str, StageError]
) -> list[ValuationReport]:
    """Compute the plan's assessments of valuators and write their boards."""
    from harness.stages.assess import assessed_of
    from harness.valuation_report import make_report, to_csv, to_json

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


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


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
