"""What stages say of themselves."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import get_args

import harness.stages
import harness.stages.parts
from harness.stages.base import Stage

MODULES = [
    module.name
    for package in (harness.stages, harness.stages.parts)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    if module.name.rsplit(".", 1)[1] not in {"base", "contents", "parts", "cutting", "sources", "training"}
]


def test_every_stage_gives_what_its_type_says() -> None:
    for module in MODULES:
        importlib.import_module(module)
    stages = [stage for stage in Stage.__subclasses__() if stage.__module__.startswith("harness.stages.")]
    assert len(stages) == len(MODULES)
    for stage in stages:
        (base,) = stage.__orig_bases__
        assert stage.gives is get_args(base)[0], stage
        assert inspect.signature(stage.compute).return_annotation == stage.gives.__name__, stage
