"""What a stage needs of the machine that computes it, as far as its components say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.stages.base import Configured, Stage


def wants_gpu(stage: Stage[Any]) -> bool:
    """Whether a component of the stage computes on a GPU where there is one: its option ``device`` is not ``cpu``."""
    for value in vars(stage).values():
        for item in value.values() if isinstance(value, Mapping) else [value]:
            if isinstance(item, Configured) and getattr(item.component, "device", "cpu") != "cpu":
                return True
    return False
