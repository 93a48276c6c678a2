"""Observers of a run: the hooks they implement, the event log, the terminal's progress, and experiment trackers."""

from harness.observers.hooks import Hooks, Observers, RunInfo, StageInfo, hookimpl

__all__ = ["Hooks", "Observers", "RunInfo", "StageInfo", "hookimpl"]
