"""Lifecycle hooks: how progress displays, logs and experiment trackers observe a run.

A plugin implements any of :class:`Hooks`' functions, marked with :data:`hookimpl`, and is found through the entry-point group
``harness.hooks``. An observer may take fewer arguments than a hook has. One that fails is reported once and then left
out; it never fails a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from harness.registry import Registry, normalise

if TYPE_CHECKING:
    from harness.records.model import RecordFolder
    from harness.report import Leaderboard

PROJECT = "harness"
GROUP = "harness.hooks"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is about to run.

    Attributes:
        suite: Name of the suite.
        folder: The run folder.
        stages: Number of stages that the plan has.
        cached: Number of them that are there already.
        to_compute: Number of stages that have to be computed.
        resolved: The whole suite, defaults included, as JSON.
    """

    suite: str
    folder: Path
    stages: int
    cached: int
    to_compute: int
    resolved: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StageInfo:
    """One stage: what it is, and its place among those to compute (0 of 0 where that is not known).

    Several stages may run at a time; ``id`` tells them apart. Of those that a longer one is made of, ``part`` is true: they
    are not counted among the stages of a run.
    """

    kind: str
    id: str
    title: str
    number: int = 0
    of: int = 0
    part: bool = False


class Hooks:
    """The hooks, in the order of a run."""

    @hookspec
    def run_started(self, run: RunInfo) -> None:
        """The suite is valid and planned; work begins."""

    @hookspec
    def stage_started(self, stage: StageInfo) -> None:
        """A stage begins to be computed."""

    @hookspec
    def stage_waiting(self, stage: StageInfo) -> None:
        """Another process is computing this stage; waiting for it."""

    @hookspec
    def stage_progressed(
        self, stage: StageInfo, unit: str, done: float, total: float | None, notes: dict[str, float | str]
    ) -> None:
        """A bar inside a stage moved; called a few times a second at most."""

    @hookspec
    def stage_finished(self, stage: StageInfo, seconds: float) -> None:
        """A stage was computed and its artifact is in the store."""

    @hookspec
    def stage_failed(self, stage: StageInfo, error: BaseException) -> None:
        """A stage failed; what rests on it is left out, the rest of the run goes on."""

    @hookspec
    def stage_damaged(self, stage: StageInfo, reason: str) -> None:
        """A stored artifact was found damaged; it is computed again."""

    @hookspec
    def record_written(self, record: RecordFolder) -> None:
        """The record of one data set, arm and seed is complete."""

    @hookspec
    def run_finished(self, run: RunInfo, leaderboard: Leaderboard | None, seconds: float) -> None:
        """All is done (``leaderboard`` is ``None`` when no record could be made)."""


class Observers:
    """The observers of one run, each called in isolation from the others.

    Args:
        observers: Objects or modules with functions marked by :data:`hookimpl`.
        complain: Called with one line when an observer fails.
    """

    def __init__(self, observers: list[Any], complain: Callable[[str], None]) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Hooks)
        self._complain = complain
        for observer in observers:
            self.add(observer)

    def add(self, observer: Any, name: str | None = None) -> None:
        """Register an observer; one whose hooks do not fit the specification is reported and left out."""
        try:
            self._manager.register(observer, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            self._complain(f"The hook plugin {name or type(observer).__name__} is left out: {error}")

    def call(self, hook: str, **arguments: Any) -> None:
        """Call a hook of every observer."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except Exception as error:  # noqa: BLE001 - an observer may fail in any way
                self._manager.unregister(implementation.plugin)
                self._complain(
                    f"The hook plugin {implementation.plugin_name} failed in {hook} and is left out from here on: "
                    f"{type(error).__name__}: {error}"
                )


def installed(registry: Registry, complain: Callable[[str], None]) -> list[tuple[str, Any]]:
    """Hook plugins of installed distributions that the registry admits; those that cannot be loaded are reported."""
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        distribution = normalise(point.dist.name) if point.dist else "(unknown)"
        if not registry.admits(distribution):
            continue
        try:
            loaded = point.load()
            found.append((f"{distribution}/{point.name}", loaded() if isinstance(loaded, type) else loaded))
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            complain(f"The hook plugin {point.name!r} of {distribution} is left out: {type(error).__name__}: {error}")
    return found
