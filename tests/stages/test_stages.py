"""What stages say of themselves."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import get_args

import harness.stages
from harness.stages.base import Stage

MODULES = [
    module.name for module in pkgutil.iter_modules(harness.stages.__path__) if module.name not in {"base", "contents"}
]


def test_every_stage_gives_what_its_type_says() -> None:
    for module in MODULES:
        importlib.import_module(f"harness.stages.{module}")
    stages = [stage for stage in Stage.__subclasses__() if stage.__module__.startswith("harness.")]
    assert len(stages) == len(MODULES)
    for stage in stages:
        (base,) = stage.__orig_bases__
        assert stage.gives is get_args(base)[0], stage
        assert inspect.signature(stage.compute).return_annotation == stage.gives.__name__, stage
