"""Benchmark for finding and mitigating the blind spots (confident errors) of text classifiers.

The public names below are loaded on first use, so that ``import harness`` costs nothing.
"""

from harness.version import __version__

TYPE_CHECKING = (
    False  # as typing has it, without the 20 ms that importing it takes: Ctrl-C is answered from harness.__main__ on
)

if TYPE_CHECKING:
    from harness.components import (
        Attack,
        AttackResult,
        Component,
        Dataset,
        DatasetSource,
        Example,
        Generator,
        Metric,
        Model,
        Selector,
        Task,
        ValuationProblem,
        Valuator,
    )
    from harness.models import load_classifier
    from harness.registry import component
    from harness.running import run
    from harness.suite import load_suite

_HOME = {
    "load_suite": "harness.suite",
    "run": "harness.running",
    "component": "harness.registry",
    "load_classifier": "harness.models",
    **dict.fromkeys(
        (
            "Attack",
            "AttackResult",
            "Component",
            "Dataset",
            "DatasetSource",
            "Example",
            "Generator",
            "Metric",
            "Model",
            "Selector",
            "Task",
            "ValuationProblem",
            "Valuator",
        ),
        "harness.components",
    ),
}

__all__ = [
    "Attack",
    "AttackResult",
    "Component",
    "Dataset",
    "DatasetSource",
    "Example",
    "Generator",
    "Metric",
    "Model",
    "Selector",
    "Task",
    "ValuationProblem",
    "Valuator",
    "__version__",
    "component",
    "load_classifier",
    "load_suite",
    "run",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
