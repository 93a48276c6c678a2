"""The local engine: stages in order, in this process."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.observers.hooks import Observers, StageInfo
from harness.progress import Bar, reporting
from harness.stages.base import Context, Stage
from harness.store.store import Artifact, DamagedArtifactError, Store


class StageError(HarnessError):
    """A stage failed; the message says which, the cause says why."""

    def __init__(self, stage: Stage, cause: BaseException) -> None:
        if isinstance(cause, HarnessError):
            reason, hint, self.exit_code = cause.message, cause.hint, cause.exit_code
        else:
            reason = f"{type(cause).__name__}: {cause}"
            hint = "This is a fault in the component or the harness; the log has the traceback."
        super().__init__(f"{stage.title}: {reason}", hint=hint)
        self.__cause__ = cause

    @property
    def trace(self) -> str:
        """The traceback of the cause."""
        return "".join(traceback.format_exception(self.__cause__)) if self.__cause__ else ""


class LocalEngine:
    """Computes what a plan demands and the store does not have.

    Args:
        store: Where artifacts are looked up and kept.

    Attributes:
        observers: Told what happens; nobody, until set.
        computed: Number of stages computed so far.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.observers = Observers([], lambda _: None)
        self.computed = 0
        self._failed: dict[str, StageError] = {}
        self._done: set[str] = set()
        self._number = 0
        self._of = 0

    def demanded(self, targets: Sequence[Stage]) -> list[Stage]:
        """The stages that have to be computed for ``targets``, inputs before those who read them."""
        missing: dict[str, Stage] = {}
        seen: set[str] = set()

        def visit(stage: Stage) -> None:
            if stage.id in seen:
                return
            seen.add(stage.id)
            if stage.id in self._done or self._store.has(stage.kind, stage.id):
                return
            for upstream in stage.inputs().values():
                visit(upstream)
            missing[stage.id] = stage

        for target in targets:
            visit(target)
        return list(missing.values())

    def expect(self, targets: Sequence[Stage]) -> int:
        """Set the number of stages that progress is counted against; how many there are to compute."""
        self._number, self._of = 0, len(self.demanded(targets))
        return self._of

    def ensure(self, target: Stage) -> Artifact:
        """The artifact of a stage, computed with all it rests on where the store does not have it.

        Raises:
            StageError: The stage, or one that it rests on, failed (now or before in this run).
        """
        while True:
            for stage in self.demanded([target]):
                self._compute(stage)
            try:
                return self._store.open(target.kind, target.id)
            except DamagedArtifactError as error:
                self._damaged(target, error)

    def _compute(self, stage: Stage) -> None:
        if stage.id in self._failed:
            raise self._failed[stage.id]
        for upstream in stage.inputs().values():
            if upstream.id in self._failed:
                raise self._failed[upstream.id]
        self._number += 1
        info = StageInfo(stage.kind, stage.id, stage.title, self._number, max(self._of, self._number))
        try:
            with self._store.claim(
                stage.kind, stage.id, on_wait=lambda: self.observers.call("stage_waiting", stage=info)
            ):
                if not self._store.has(stage.kind, stage.id):  # nobody else has computed it while we waited
                    self._run(stage, info)
            self._done.add(stage.id)
        except (Exception, SystemExit) as error:
            failure = error if isinstance(error, StageError) else StageError(stage, error)
            self._failed[stage.id] = failure
            self.observers.call("stage_failed", stage=info, error=failure)
            raise failure from error

    def _run(self, stage: Stage, info: StageInfo) -> None:
        inputs = {role: self._open(upstream) for role, upstream in stage.inputs().items()}
        context = Context(self._store.responses, self._costs(stage))
        self.observers.call("stage_started", stage=info)
        start = time.perf_counter()

        def compute(out: Path) -> dict[str, Any]:
            with reporting(_Bars(info, self.observers)):
                facts = stage.compute(inputs, out, context)
            return {"peak_memory": peak_memory(), **(facts or {})}

        self._store.write(stage.kind, stage.id, stage.identity, compute)
        self.computed += 1
        self.observers.call("stage_finished", stage=info, seconds=time.perf_counter() - start)

    def _open(self, stage: Stage) -> Artifact:
        try:
            return self._store.open(stage.kind, stage.id)
        except DamagedArtifactError as error:
            self._damaged(stage, error)
            return self.ensure(stage)

    def _damaged(self, stage: Stage, error: DamagedArtifactError) -> None:
        info = StageInfo(stage.kind, stage.id, stage.title, self._number, self._of)
        self.observers.call("stage_damaged", stage=info, reason=str(error))
        with self._store.claim(stage.kind, stage.id):
            self._store.discard(stage.kind, stage.id)
        self._done.discard(stage.id)

    def _costs(self, stage: Stage) -> Mapping[str, float]:
        """Costs of everything that the stage rests on, as far as it is in the store."""
        metas = {up.id: self._meta(up) for up in stage.closure() if up.id != stage.id}
        return costs([(up.kind, metas[up.id]) for up in stage.closure() if metas.get(up.id)])

    def _meta(self, stage: Stage) -> dict[str, Any]:
        return self._store.meta(stage.kind, stage.id)


def costs(metas: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, float]:
    """Costs by the names that metrics know: ``seconds``, ``seconds/<stage kind>``, ``peak_memory_bytes``, ``requests``, ..."""
    total: dict[str, float] = {"seconds": 0.0}
    for kind, meta in metas:
        seconds = float(meta.get("seconds", 0.0))
        total["seconds"] += seconds
        total[f"seconds/{kind}"] = total.get(f"seconds/{kind}", 0.0) + seconds
        total["peak_memory_bytes"] = max(total.get("peak_memory_bytes", 0.0), float(meta.get("peak_memory", 0)))
        for name, amount in meta.get("usage", {}).items():
            key = "money" if name == "cost" else name
            total[key] = total.get(key, 0.0) + float(amount)
    return total


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Bar:
    """A bar that tells the observers at most five times a second."""

    def __init__(self, unit: str, total: float | None, tell: Callable[[_Bar], None]) -> None:
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
    """Passes the bars of a stage on to the observers."""

    def __init__(self, stage: StageInfo, observers: Observers) -> None:
        self._stage, self.observers = stage, observers

    def open(self, unit: str, total: float | None) -> Bar:
        bar = _Bar(unit, total, self._tell)
        self._tell(bar)
        return bar

    def close(self, bar: Bar) -> None:
        if isinstance(bar, _Bar):
            self._tell(bar)

    def _tell(self, bar: _Bar) -> None:
        self.observers.call(
            "stage_progressed", stage=self._stage, unit=bar.unit, done=bar.done, total=bar.total, notes=dict(bar.notes)
        )
