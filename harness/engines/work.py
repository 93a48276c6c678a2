"""Computing one stage: a function of its arguments alone, which can be pickled, so that any process can call it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.engines.base import Report, StageError, info
from harness.engines.facts import RESTS_ON, environment, facts_of
from harness.engines.memory import peak_memory
from harness.observers.hooks import StageInfo
from harness.progress import Bar, reporting
from harness.stages.base import Context, Inputs, PartsWanted, Stage
from harness.store.store import Artifact, DamagedArtifactError, MissingArtifactError, Store

Divided = Callable[[Stage[Any], PartsWanted], None]
"""Told that a stage is divided."""


def compute_stage(stage: Stage[Any], store: Store, report: Report) -> Artifact | PartsWanted:
    """The artifact of a stage: claim it, open its inputs, compute it, write it.

    An artifact that is there and sound is left as it is. A damaged one is reported and replaced, an input's too; an input
    that is missing is computed first. A stage that is divided says which parts it wants, if they are not there: have them
    computed, and then it again.

    Args:
        stage: The stage.
        store: Where its inputs are and its artifact goes.
        report: Told what happens.

    Raises:
        StageError: The stage, or one that it rests on, failed; reported before it is raised.
    """
    seen = info(stage)
    try:
        with store.claim(stage.kind, stage.id, on_wait=lambda: report("stage_waiting", seen)):
            try:
                return store.open(stage.kind, stage.id)  # somebody else has computed it by now
            except MissingArtifactError:
                pass
            except DamagedArtifactError as error:
                report("stage_damaged", seen, reason=str(error))
            return _compute(stage, seen, store, report)
    except PartsWanted as wanted:
        return wanted
    except (Exception, SystemExit) as error:
        failure = error if isinstance(error, StageError) else StageError.of(stage, error)
        report("stage_failed", seen, error=failure)
        if failure is error:
            raise
        raise failure from error


def computed(
    stage: Stage[Any], store: Store, report: Report, divided: Divided = lambda stage, wanted: None
) -> Artifact:
    """The same in this process to the end, parts one after the other; ``divided`` is told of stages that are.

    Raises:
        StageError: See :func:`compute_stage`.
    """
    while isinstance(found := compute_stage(stage, store, report), PartsWanted):
        divided(stage, found)
        for part in found.parts:
            computed(part, store, report, divided)
    return found


def available(
    stage: Stage[Any], store: Store, report: Report, divided: Divided = lambda stage, wanted: None
) -> Artifact:
    """The artifact of a stage, computed if it is missing or damaged.

    Raises:
        StageError: See :func:`compute_stage`.
    """
    try:
        return store.open(stage.kind, stage.id)
    except DamagedArtifactError:
        return computed(stage, store, report, divided)


class _Parts:
    """The parts that a stage has asked for, and what they took."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store, self._report = store, report
        self._used: dict[str, Artifact] = {}

    def find(self, part: Stage[Any]) -> Artifact | None:
        """The artifact of a part; damaged ones are missing, and computed again."""
        try:
            return self._keep(part, self._store.open(part.kind, part.id))
        except DamagedArtifactError:
            return None

    def compute(self, part: Stage[Any]) -> Artifact:
        """The artifact of a part, computed here where it is missing."""
        return self._keep(part, available(part, self._store, self._report))

    def facts(self, seconds: float, memory: int | None) -> dict[str, Any]:
        """What the stage took together with its parts: seconds in all, the largest peak memory (bytes), bills."""
        metas = [artifact.meta for artifact in self._used.values()]
        peaks = [memory or 0, *(int(meta.get("peak_memory", 0)) for meta in metas)]
        seconds += sum(float(meta.get("seconds", 0.0)) for meta in metas)
        usage: dict[str, float] = {}
        for meta in metas:
            for name, amount in meta.get("usage", {}).items():
                usage[name] = usage.get(name, 0) + amount
        took = {"seconds": seconds} | ({"peak_memory": max(peaks)} if any(peaks) else {})
        return took | ({"usage": usage} if usage else {})

    def _keep(self, part: Stage[Any], artifact: Artifact) -> Artifact:
        self._used[part.id] = artifact
        return artifact


def _compute(stage: Stage[Any], seen: StageInfo, store: Store, report: Report) -> Artifact:
    opened = {upstream.id: available(upstream, store, report) for upstream in stage.inputs().values()}
    parts = _Parts(store, report)
    inputs = Inputs(lambda upstream: opened[upstream.id], parts.find, parts.compute)
    context = Context(
        store.responses,
        store.unfinished(stage.kind, stage.id),
        related=lambda stage: store.related(stage.kind, str(stage.family)),
    )
    rests_on = facts_of(stage, store, itself=False)
    report("stage_started", seen)
    start = time.perf_counter()

    def compute(out: Path) -> dict[str, Any]:
        with reporting(_Bars(seen, report)), peak_memory() as peak:
            stage.compute(inputs, context).write(out)
        took = parts.facts(time.perf_counter() - start, peak.bytes)
        return {**took, "environment": environment(), RESTS_ON: rests_on, **context.facts}

    artifact = store.write(stage.kind, stage.id, stage.identity, compute)
    if stage.family is not None:
        store.relate(stage.kind, stage.id, stage.family)
    report("stage_finished", seen, seconds=float(artifact.meta["seconds"]))
    return artifact


class _Throttled:
    """A bar that reports at most five times a second."""

    def __init__(self, unit: str, total: float | None, tell: Callable[[_Throttled], None]) -> None:
        self.unit, self.total, self._tell = unit, total, tell
        self.done: float = 0
        self.notes: dict[str, float | str] = {}
        self._next = 0.0

    def advance(self, amount: float = 1, **notes: float | str) -> None:
        self.done += amount
        self.notes.update(notes)
        if (now := time.monotonic()) >= self._next:
            self._next = now + 0.2
            self._tell(self)


class _Bars:
    """Reports the bars of a stage."""

    def __init__(self, stage: StageInfo, report: Report) -> None:
        self._stage, self._report = stage, report

    def open(self, unit: str, total: float | None) -> Bar:
        bar = _Throttled(unit, total, self._tell)
        self._tell(bar)
        return bar

    def close(self, bar: Bar) -> None:
        if isinstance(bar, _Throttled):
            self._tell(bar)

    def _tell(self, bar: _Throttled) -> None:
        self._report(
            "stage_progressed", self._stage, unit=bar.unit, done=bar.done, total=bar.total, notes=dict(bar.notes)
        )
