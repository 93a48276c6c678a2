"""Engines compute the stages that are wanted and say when each is settled."""

from harness.engines.base import Engine, Finished, StageError
from harness.engines.choice import chosen
from harness.engines.local import LocalEngine
from harness.engines.processes import ProcessEngine

__all__ = ["Engine", "Finished", "LocalEngine", "ProcessEngine", "StageError", "chosen"]
