"""Suites: what a benchmark run compares, read from YAML and validated whole before any work starts."""

from typing import TYPE_CHECKING, Any

from harness.suite.model import Arm, Order, Removal, Suite, Synthesis, Valuation
from harness.suite.problems import Place, Problem, SuiteError
from harness.suite.reading import load_suite, parse_suite
from harness.suite.slots import DatasetSlot, Limit, SelectorSlot, Slot

if TYPE_CHECKING:
    from harness.suite.schema import json_schema

__all__ = [
    "Arm",
    "DatasetSlot",
    "Limit",
    "Order",
    "Place",
    "Problem",
    "Removal",
    "SelectorSlot",
    "Slot",
    "Suite",
    "SuiteError",
    "Synthesis",
    "Valuation",
    "json_schema",
    "load_suite",
    "parse_suite",
]


def __getattr__(name: str) -> Any:
    if name == "json_schema":  # only `harness schema` needs it
        from harness.suite.schema import json_schema

        return json_schema
    raise AttributeError(f"module 'harness.suite' has no attribute {name!r}")
