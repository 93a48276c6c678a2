"""Weights & Biases: one run per record, in the project that ``HARNESS_WANDB`` names; ``WANDB_MODE=offline`` is honoured."""

from __future__ import annotations

import os
from typing import Any

from harness.observers.common import MissingTrackerError, figures, parameters, title
from harness.observers.hooks import RunInfo, hookimpl
from harness.records.model import RecordFolder

VARIABLE = "HARNESS_WANDB"


class WandbTracker:
    """Logs the configuration and figures of every record."""

    def __init__(self) -> None:
        self._wandb: Any = None
        self._folder = ""

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Load the library, if the variable is set."""
        if not os.environ.get(VARIABLE):
            return
        try:
            import wandb
        except ImportError:
            raise MissingTrackerError("wandb", VARIABLE) from None
        self._wandb, self._folder = wandb, str(run.folder)

    @hookimpl
    def record_written(self, record: RecordFolder) -> None:
        """Log a record as a run of its own, named by what it is, so that a repeated run does not add another."""
        if self._wandb is None:
            return
        header = record.header
        run = self._wandb.init(
            project=os.environ[VARIABLE],
            group=header.suite,
            name=title(record),
            id=f"{header.suite}-{header.dataset}-{header.arm}-{header.seed}-{header.artifacts.get('evaluate', '')}".replace(
                "+", "_"
            ),
            resume="allow",
            config=parameters(record),
            dir=self._folder,
            settings=self._wandb.Settings(silent=True, console="off"),
        )
        run.summary.update(figures(record, {}))
        run.finish()
