"""MLflow: one run per record, in an experiment named like the suite; ``HARNESS_MLFLOW`` holds the tracking URI."""

from __future__ import annotations

import os
from typing import Any

from harness.observers.common import MissingTrackerError, figures, parameters, title
from harness.observers.hooks import RunInfo, hookimpl
from harness.records.model import RecordFolder

VARIABLE = "HARNESS_MLFLOW"


class MLflowTracker:
    """Logs parameters, figures and the header of every record."""

    def __init__(self) -> None:
        self._client: Any = None
        self._experiment = ""

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Open the experiment, if the variable is set."""
        uri = os.environ.get(VARIABLE)
        if not uri:
            return
        try:
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise MissingTrackerError("mlflow", VARIABLE) from None
        self._client = MlflowClient(tracking_uri=uri)
        known = self._client.get_experiment_by_name(run.suite)
        self._experiment = known.experiment_id if known else self._client.create_experiment(run.suite)

    @hookimpl
    def record_written(self, record: RecordFolder) -> None:
        """Log a record as a finished run; one that was logged before with the same artifacts is left alone."""
        if self._client is None:
            return
        evaluated = record.header.artifacts.get("evaluate", "")
        if self._client.search_runs(
            [self._experiment], f"tags.evaluate = '{evaluated}' and tags.record = '{title(record)}'"
        ):
            return
        tags = {"mlflow.runName": title(record), "record": title(record), "evaluate": evaluated}
        run = self._client.create_run(self._experiment, tags=tags).info.run_id
        for name, value in parameters(record).items():
            self._client.log_param(run, name.replace(":", "."), str(value)[:500])
        for name, value in figures(record, {"@": "_at_"}).items():
            self._client.log_metric(run, name, value)
        self._client.log_artifact(run, str(record.folder / "record.json"))
        self._client.set_terminated(run)
