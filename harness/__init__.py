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
        Looks,
        Metric,
        Model,
        Selector,
        Sources,
        Task,
        TracedModel,
        Trajectory,
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
            "Looks",
            "Metric",
            "Model",
            "Selector",
            "Sources",
            "Task",
            "TracedModel",
            "Trajectory",
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
    "Looks",
    "Metric",
    "Model",
    "Selector",
    "Sources",
    "Task",
    "TracedModel",
    "Trajectory",
    "ValuationProblem",
    "Valuator",
    "__version__",
    "component",
    "load_classifier",
    "load_suite",
    "run",
]


_MODULES = {
    "errors": "harness.errors",
    "hooks": "harness.observers.hooks",
    "progress": "harness.progress",
    "testing": "harness.testing",
}
"""Modules that plugins use, by the name that they have after ``import harness`` alone."""


def __getattr__(name: str) -> object:
    if name not in _HOME and name not in _MODULES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from importlib import import_module

    value = import_module(_MODULES[name]) if name in _MODULES else getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
