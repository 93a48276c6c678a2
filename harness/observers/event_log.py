"""A JSON Lines log of what happened in a run, one event a line, appended as it happens."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from harness.observers.hooks import RunInfo, StageInfo, hookimpl
from harness.records.model import RecordFolder


class EventLog:
    """Writes events to ``path``; a new run appends to what is there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: str, **fields: Any) -> None:
        """Append one event with the time in seconds since the epoch."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **fields}, ensure_ascii=False, default=str)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Log the suite and what is to be done."""
        self.write(
            "run_started",
            suite=run.suite,
            stages=run.stages,
            cached=run.cached,
            to_compute=run.to_compute,
            resolved=run.resolved,
        )

    @hookimpl
    def stage_started(self, stage: StageInfo) -> None:
        """Log the stage."""
        self.write("stage_started", kind=stage.kind, id=stage.id, title=stage.title, number=stage.number, of=stage.of)

    @hookimpl
    def stage_waiting(self, stage: StageInfo) -> None:
        """Log the stage that another run is computing."""
        self.write("stage_waiting", kind=stage.kind, id=stage.id, title=stage.title)

    @hookimpl
    def stage_finished(self, stage: StageInfo, seconds: float) -> None:
        """Log the stage and its duration."""
        part = {"part": True} if stage.part else {}
        seconds = round(seconds, 3)
        self.write("stage_finished", kind=stage.kind, id=stage.id, title=stage.title, seconds=seconds, **part)

    @hookimpl
    def stage_failed(self, stage: StageInfo, error: BaseException) -> None:
        """Log the failure with its traceback."""
        self.write(
            "stage_failed",
            kind=stage.kind,
            id=stage.id,
            title=stage.title,
            error=str(error),
            traceback=getattr(error, "trace", ""),
        )

    @hookimpl
    def stage_damaged(self, stage: StageInfo, reason: str) -> None:
        """Log what was damaged."""
        self.write("stage_damaged", kind=stage.kind, id=stage.id, title=stage.title, reason=reason)

    @hookimpl
    def record_written(self, record: RecordFolder) -> None:
        """Log where the record is."""
        header = record.header
        self.write(
            "record_written", dataset=header.dataset, arm=header.arm, seed=header.seed, folder=str(record.folder)
        )

    @hookimpl
    def run_finished(self, seconds: float) -> None:
        """Log the end."""
        self.write("run_finished", seconds=round(seconds, 3))
