"""Engines compute the stages that are wanted and say when each is settled."""

from harness.engines.base import Engine, Finished, StageError
from harness.engines.local import LocalEngine

__all__ = ["Engine", "Finished", "LocalEngine", "StageError"]
