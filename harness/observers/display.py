"""What a person sees while a suite runs: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.observers.hooks import RunInfo, StageInfo, hookimpl

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class PlainDisplay:
    """One line when a stage begins and one when it ends, and one every half minute in between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began: dict[str, float] = {}  # by id of the stages that run
        self._said: dict[str, float] = {}

    def _end(self, stage: StageInfo) -> None:
        self._began.pop(stage.id, None)
        self._said.pop(stage.id, None)

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Say what is to be done."""
        self._say(heading(run))

    @hookimpl
    def stage_started(self, stage: StageInfo) -> None:
        """Say which stage begins."""
        self._began[stage.id] = self._said[stage.id] = time.monotonic()
        if not stage.part:
            self._say(f"[{stage.number}/{stage.of}] {stage.title} ...")

    @hookimpl
    def stage_waiting(self, stage: StageInfo) -> None:
        """Say that another run has the stage."""
        self._say(f"[{stage.number}/{stage.of}] {stage.title}: another run is computing it; waiting")

    @hookimpl
    def stage_progressed(
        self, stage: StageInfo, unit: str, done: float, total: float | None, notes: dict[str, float | str]
    ) -> None:
        """Say how far a long stage is."""
        now = time.monotonic()
        if stage.part or stage.id not in self._began or now - self._said[stage.id] < 30:
            return
        self._said[stage.id] = now
        rate = done / (now - self._began[stage.id])
        left = f", {duration((total - done) / rate)} left" if total and rate > 0 else ""
        count = f"{done:,.0f}" if total is None else f"{done:,.0f} of {total:,.0f}"
        self._say(f"      {stage.title}: {count} {unit}, {rate:,.1f}/s{left}{noted(notes)}")

    @hookimpl
    def stage_finished(self, stage: StageInfo, seconds: float) -> None:
        """Say how long it took."""
        self._end(stage)
        if not stage.part:
            self._say(f"[{stage.number}/{stage.of}] {stage.title}: {duration(seconds)}")

    @hookimpl
    def stage_failed(self, stage: StageInfo) -> None:
        """Say that it failed; the reason comes at the end."""
        self._end(stage)
        if not stage.part:
            self._say(f"[{stage.number}/{stage.of}] {stage.title}: FAILED")

    @hookimpl
    def stage_damaged(self, stage: StageInfo, reason: str) -> None:
        """Say what was damaged."""
        self._say(f"{stage.title}: the stored artifact is damaged and is computed again ({reason})")


class RichDisplay:
    """A bar for all stages and one for each count inside a running stage; finished stages scroll up."""

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = console
        self._progress: Progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[notes]}", style="dim", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            auto_refresh=False,  # a second thread that draws may tear the lines that finished stages leave behind
        )
        self._all: TaskID | None = None
        self._running: dict[str, StageInfo] = {}  # by id
        self._bars: dict[tuple[str, str], TaskID] = {}  # by id of the stage and unit

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Show what is to be done."""
        self._console.print(heading(run), markup=False, highlight=False)
        if run.to_compute:
            self._progress.start()
            self._all = self._progress.add_task("stages", total=run.to_compute, notes="")

    @hookimpl
    def stage_started(self, stage: StageInfo) -> None:
        """Show the stage beside the count of stages."""
        self._running[stage.id] = stage
        self._describe()

    @hookimpl
    def stage_waiting(self, stage: StageInfo) -> None:
        """Show that another run has the stage."""
        self._progress.print(f"  … {stage.title}: another run is computing it; waiting", style="yellow", markup=False)

    @hookimpl
    def stage_progressed(
        self, stage: StageInfo, unit: str, done: float, total: float | None, notes: dict[str, float | str]
    ) -> None:
        """Move the bar of one count."""
        key = (stage.id, unit)
        if key not in self._bars:
            self._bars[key] = self._progress.add_task(f"  {unit}", total=total, notes="")
            self._describe()
        task = self._progress.tasks[self._progress.task_ids.index(self._bars[key])]
        rate = f"{done / task.elapsed:,.1f}/s" if task.elapsed else ""
        self._progress.update(
            self._bars[key], completed=int(done), total=total, notes=(rate + noted(notes)).strip(", ")
        )
        self._progress.refresh()

    @hookimpl
    def stage_finished(self, stage: StageInfo, seconds: float) -> None:
        """Leave a line behind."""
        self._end(stage)
        if stage.part:
            return
        self._progress.print(f"  ✓ {stage.title}", f"{duration(seconds)}", style="dim", markup=False, highlight=False)

    @hookimpl
    def stage_failed(self, stage: StageInfo) -> None:
        """Leave a line behind; the reason comes at the end."""
        self._end(stage)
        if stage.part:
            return
        self._progress.print(f"  ✗ {stage.title}", style="red", markup=False)

    @hookimpl
    def stage_damaged(self, stage: StageInfo, reason: str) -> None:
        """Say what was damaged."""
        self._progress.print(
            f"  ! {stage.title}: the stored artifact is damaged and is computed again ({reason})",
            style="yellow",
            markup=False,
        )

    def stop(self) -> None:
        """Take the bars off the screen."""
        self._progress.stop()

    def _end(self, stage: StageInfo) -> None:
        self._running.pop(stage.id, None)
        for key in [key for key in self._bars if key[0] == stage.id]:
            self._progress.remove_task(self._bars.pop(key))
        if self._all is not None and not stage.part:
            self._progress.update(self._all, advance=1, total=stage.of or None)
        self._describe()

    def _describe(self) -> None:
        """Name the running stage beside the count of stages; of several, the number there and each at its own bars."""
        titles = [stage.title for stage in self._running.values() if not stage.part]
        if self._all is not None and titles:
            said = titles[0] if len(titles) == 1 else f"{len(titles)} stages at a time"
            self._progress.update(self._all, description=said)
        for (stage, unit), bar in self._bars.items():
            of = f"{self._running[stage].title} · " if len(self._running) > 1 and stage in self._running else ""
            self._progress.update(bar, description=f"  {of}{unit}")
        self._progress.refresh()


def heading(run: RunInfo) -> str:
    """One line about what is to be done."""
    work = f"{run.to_compute} to compute" if run.to_compute else "nothing to compute"
    return f"{run.suite}: {run.stages} stages, {run.stages - run.to_compute} of them cached or not needed, {work}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(3.21), duration(75), duration(7260)
    ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def noted(notes: dict[str, float | str]) -> str:
    """Notes of a bar as text.

    >>> noted({"loss": 0.6931, "queries": 12000.0, "phase": ""})
    ', loss 0.693, queries 12,000'
    """

    def shown(value: float | str) -> str:
        if isinstance(value, str):
            return value
        return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"

    return "".join(f", {name.replace('_', ' ')} {shown(value)}" for name, value in notes.items() if value != "")
