"""Running a suite."""

from harness.running.runner import Run, run

__all__ = ["Run", "run"]
