"""Suites: what a benchmark run compares, read from YAML and validated whole before any work starts."""

from harness.suite.model import Arm, Removal, Suite, Synthesis, Valuation
from harness.suite.problems import Place, Problem, SuiteError
from harness.suite.reading import parse_suite, read_suite
from harness.suite.slots import DatasetSlot, Limit, SelectorSlot, Slot

__all__ = [
    "Arm",
    "DatasetSlot",
    "Limit",
    "Place",
    "Problem",
    "Removal",
    "SelectorSlot",
    "Slot",
    "Suite",
    "SuiteError",
    "Synthesis",
    "Valuation",
    "parse_suite",
    "read_suite",
]
