"""opendataval in its worker; skipped only where the worker is not installed."""

import subprocess
import sys

import numpy as np
import pytest
from harness_valuators import opendataval as adapter

from harness.errors import HarnessError, InputError
from harness.registry import component
from harness.valuation import judge as board


def evaluator(name, **options):
    return component("valuator", "opendataval", evaluator=name, **options)


@pytest.fixture(scope="module")
def worker():
    try:
        evaluator("KNNShapley").preflight()
    except InputError as error:
        pytest.skip(f"opendataval's worker is not installed: {str(error).splitlines()[0]}")


def test_knn_shapley_is_the_same_as_ours(blobs, worker):
    theirs = evaluator("knnshapley", arguments={"k_neighbors": 5}).evaluate(blobs.problem, seed=0)
    ours = component("valuator", "knn-shapley", k=5).value(blobs.problem, seed=0)
    assert np.allclose(theirs.values, ours, atol=1e-5)
    assert theirs.seconds > 0
    assert theirs.peak_bytes > 1e8


def test_peak_memory_is_the_workers_own():
    """The kernel's figure for a process includes what its parent used before; the worker must not report that."""
    child = "from harness_valuators.opendataval_worker import peak_memory; print(peak_memory())"
    parent = f"""
import subprocess, sys
block = bytearray(500_000_000)
block[::4096] = b"x" * len(block[::4096])
subprocess.run([sys.executable, "-c", {child!r}], check=True)
"""
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True)
    assert 1e6 < int(done.stdout) < 2e8


def test_data_oob_finds_flipped_labels(blobs, worker):
    values = evaluator("DataOob", arguments={"num_models": 60}).value(blobs.problem, seed=0)
    assert board.noisy_label_auroc(values, blobs.noisy) > 0.75


def test_dvrl_repeats(blobs, worker):
    valuator = evaluator("DVRL", arguments={"rl_epochs": 20})
    values = valuator.value(blobs.problem, seed=5)
    assert ((values >= 0) & (values <= 1)).all()
    assert values.tobytes() == valuator.value(blobs.problem, seed=5).tobytes()


@pytest.mark.slow
def test_its_torch_predictor_repeats_too(blobs, worker):
    valuator = evaluator(
        "DVRL", predictor="torch", arguments={"rl_epochs": 5}, training={"epochs": 1, "batch_size": 64}
    )
    assert valuator.value(blobs.problem, seed=1).tobytes() == valuator.value(blobs.problem, seed=1).tobytes()


def test_unknown_evaluators_are_named(blobs, worker):
    with pytest.raises(InputError, match=r"no evaluator called 'KNNShaply'. Did you mean 'KNNShapley'"):
        evaluator("KNNShaply").value(blobs.problem, seed=0)


@pytest.mark.slow
def test_refused_arguments_are_named(blobs, worker):
    with pytest.raises(InputError, match=r"refuses its arguments.*'k'"):
        evaluator("KNNShapley", arguments={"k": 3}).value(blobs.problem, seed=0)


@pytest.mark.slow
def test_a_failure_inside_the_evaluator_is_one_message(blobs, worker):
    with pytest.raises(HarnessError, match="opendataval's DVRL failed"):
        evaluator("DVRL", arguments={"layer_number": 1}).value(blobs.problem, seed=0)


def test_slow_evaluators_are_stopped(blobs, worker):
    with pytest.raises(HarnessError, match=r"stopped after 0\.5 s"):
        evaluator("DataShapley", timeout=0.5).value(blobs.problem, seed=0)


def test_identity_has_the_versions_and_not_the_place(worker):
    identity = evaluator("DVRL").identity()
    assert identity["versions"]["opendataval"]
    assert not {"python", "folder", "timeout"} & set(identity)


def test_absence_is_reported_with_the_commands_that_install_it(tmp_path, monkeypatch):
    monkeypatch.delenv(adapter.FOLDER_VARIABLE, raising=False)
    empty = evaluator("DVRL", folder=str(tmp_path))
    with pytest.raises(InputError, match="pip install --no-deps --target") as caught:
        empty.preflight()
    assert "opendataval is not installed" in caught.value.message


def test_a_missing_interpreter_is_reported(tmp_path):
    with pytest.raises(InputError, match="does not start"):
        evaluator("DVRL", python=str(tmp_path / "python")).preflight()


def test_an_interpreter_that_breaks_is_reported(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(HarnessError, match=r"exit status 3\.\nit is broken"):
        evaluator("DVRL", python=str(broken)).preflight()
