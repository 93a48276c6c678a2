"""Trackers against the real libraries: an MLflow file store, and Weights & Biases in its offline mode."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from harness.observers.hooks import Observers, RunInfo, installed
from harness.records.model import read_record
from harness.registry import Registry

RECORD = Path(__file__).parents[1] / "data" / "records"


def record() -> Any:
    return read_record(next(RECORD.rglob("record.json")).parent)


def observe(said: list[str], folder: Path) -> None:
    observers = Observers([], said.append)
    for name, observer in installed(Registry(allow=()), said.append):
        observers.add(observer, name)
    observers.call("run_started", run=RunInfo("suite", folder, 1, 0, 1, {}))
    observers.call("record_written", record=record())


def test_nothing_happens_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_MLFLOW", raising=False)
    monkeypatch.delenv("HARNESS_WANDB", raising=False)
    said: list[str] = []
    observe(said, tmp_path)
    assert said == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not importlib.util.find_spec("mlflow"), reason="mlflow is not installed")
def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("HARNESS_MLFLOW", uri)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # deprecated there, but the one store that needs no server
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    said: list[str] = []
    for _ in range(2):
        observe(said, tmp_path)
    assert said == []
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("suite").experiment_id])
    header = record().header
    assert run.data.params["arm"] == header.arm
    assert run.data.metrics["accuracy/clean"] == pytest.approx(header.scores["accuracy/clean"].value)
    assert "uu_at_0.65/clean" in run.data.metrics


@pytest.mark.skipif(not importlib.util.find_spec("wandb"), reason="wandb is not installed")
def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_WANDB", "project")
    monkeypatch.setenv("WANDB_MODE", "offline")
    said: list[str] = []
    observe(said, tmp_path)
    assert said == []
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_a_missing_library_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    monkeypatch.setenv("HARNESS_WANDB", "project")
    said: list[str] = []
    observe(said, tmp_path)
    assert len(said) == 1
    assert "pip install 'bliss-harness[wandb]'" in said[0]
