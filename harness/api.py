"""What the command line does, from Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.runner import Run, run

if TYPE_CHECKING:
    from harness.suite import Suite

__all__ = ["Run", "load_suite", "run"]


def load_suite(path: str | os.PathLike[str], *, overrides: Sequence[str] = ()) -> Suite:
    """Read and validate a suite.

    >>> suite = load_suite("suites/quickstart.yaml", overrides=["valuators.dvrl.iterations=100"])  # doctest: +SKIP

    Args:
        path: A YAML file.
        overrides: Assignments ``key.path=value``, as after ``--set``.

    Raises:
        harness.suite.SuiteError: All that is wrong, with file, line, column and key.
    """
    from harness.suite import read_suite

    return read_suite(path, overrides=overrides)
