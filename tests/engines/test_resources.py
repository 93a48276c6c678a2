"""An engine uses the machine: a process for each GPU or core, and no more at a time than fit into memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.engines import processes, resources
from harness.engines.processes import ProcessEngine
from harness.errors import InputError
from harness.observers.hooks import Observers
from harness.store.store import Store
from harness.testing.sums import Large, SeenGpu, Total


def test_a_job_for_each_gpu_or_else_for_each_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-abc,5")
    assert resources.gpus() == ["2", "GPU-abc", "5"]
    assert resources.default_jobs() == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(resources, "_CGROUP", tmp_path)
    assert resources.default_jobs() == len(os.sched_getaffinity(0))
    (tmp_path / "cpu.max").write_text("100000 100000\n", encoding="ascii")
    (tmp_path / "memory.max").write_text("12345\n", encoding="ascii")
    assert resources.default_jobs() == 1
    assert resources.memory() == 12345
    (tmp_path / "cpu.max").write_text("max 100000\n", encoding="ascii")
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert resources.default_jobs() == len(os.sched_getaffinity(0))
    assert (resources.memory() or 0) > 2**30
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(resources, "_NVIDIA", tmp_path)
    assert resources.gpus() == ["0", "1"]


def test_each_worker_sees_one_gpu(store: Store, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    stages = [SeenGpu(str(number), number) for number in range(8)]
    assert not [
        item.error
        for item in ProcessEngine(store, jobs=2).compute(stages, Observers([seen], pytest.fail))
        if item.error
    ]
    found = [Total.read(store.folder(stage.kind, stage.id)).number for stage in stages]
    assert set(found) <= {4, 7}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7"


def test_no_more_run_together_than_fit_into_memory(store: Store, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "memory", lambda: 3 * 2**30)
    stages = [Large(str(number), number) for number in range(6)]
    assert not [
        item.error
        for item in ProcessEngine(store, jobs=3).compute(stages, Observers([seen], pytest.fail))
        if item.error
    ]
    assert [name for name, _ in seen.events] == ["started", "finished"] * 6


def test_a_stage_that_does_not_fit_alone_is_refused_before_any_work(
    run_tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "memory", lambda: resources.WORKER + 1)
    with pytest.raises(
        InputError, match=r"fine-tune reviews .* takes about .* GiB of memory, and this machine has 0\.7 GiB"
    ):
        run_tiny(arms=("only",))
    assert not (tmp_path / "runs").exists()


def test_what_a_model_takes_is_known_where_its_weights_are_here(checkpoint: Path) -> None:
    model = harness.component("model", "transformers", checkpoint=str(checkpoint))
    size = (checkpoint / "model.safetensors").stat().st_size
    assert model.memory(training=True) == 4 * size
    assert model.memory(training=False) == 2 * size
    assert harness.component("model", "transformers", checkpoint="bert-base-uncased").memory(training=True) == 0
