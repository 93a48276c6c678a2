"""Computing one stage: from any process and folder, with the same bytes; errors and facts that survive the way back."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.engines import StageError, work
from harness.engines import memory as memory_module
from harness.engines.base import info
from harness.engines.memory import peak_memory
from harness.engines.work import computed
from harness.errors import DataError, HarnessError
from harness.observers.common import MissingTrackerError
from harness.running.runner import prepare
from harness.store.store import Store

ELSEWHERE = """
import pickle, sys
from pathlib import Path
from harness.engines.work import computed

stages, store = pickle.loads(Path(sys.argv[1]).read_bytes())
for stage in stages:
    computed(stage, store, lambda hook, stage, **arguments: print(hook, stage.id, pickle.dumps(arguments) and ""))
"""


def test_another_process_in_another_folder_computes_the_same_bytes(
    suite_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = harness.load_suite(suite_file()).restrict(arms=("bliss+wldv",))
    stages = [
        stage for stage in prepare(suite).stages() if stage.kind in {"load", "fine-tune", "embed", "value", "elicit"}
    ][:6]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    here, there = Store(Path("here")), Store(Path("there"))
    for stage in stages:
        computed(stage, here, lambda hook, stage, **arguments: None)
    (tmp_path / "work.pickle").write_bytes(pickle.dumps((stages, there)))
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "work.pickle"],
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    wanted = [stage.id for stage in stages]
    for hook in ("stage_started", "stage_finished"):
        happened = dict.fromkeys(stage for name, stage in told if name == hook)  # one that is divided starts once more
        assert [stage for stage in happened if stage in wanted] == wanted
    assert "stage_progressed" in {name for name, _ in told}
    assert not list((tmp_path / "elsewhere").iterdir())
    found = [{str(path.relative_to(store.root)): path.read_bytes() for path in files(store)} for store in (here, there)]
    assert len(found[0]) > len(stages)
    assert found[0] == found[1]


def files(store: Store) -> Iterator[Path]:
    return (path for path in (store.root / "artifacts").rglob("*") if path.is_file() and path.name != "artifact.json")


def raised(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301 - for its traceback
    except BaseException as caught:  # noqa: BLE001 - an exit is one, too
        return caught


@pytest.mark.parametrize(
    "cause",
    [DataError("row 3: no label", hint="Give it one."), ZeroDivisionError("division by zero"), SystemExit(3)],
    ids=lambda cause: type(cause).__name__,
)
def test_a_stage_error_crosses_processes_whole(diamond: Any, cause: BaseException) -> None:
    (stage,) = diamond["d"]
    error = StageError.of(stage, raised(cause))
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is StageError
    assert back.stage == info(stage)
    for name in ("message", "hint", "exit_code", "trace"):
        assert getattr(back, name) == getattr(error, name)
    assert str(back) == str(error)
    assert "in raised" in back.trace
    assert f"{type(cause).__name__}: {cause if not isinstance(cause, DataError) else cause.message}" in back.trace


def errors() -> list[HarnessError]:
    from harness.suite import SuiteError

    found: list[HarnessError] = [MissingTrackerError("wandb", "HARNESS_WANDB"), DataError("bad", hint="worse")]
    with pytest.raises(SuiteError) as wrong:
        harness.load_suite(Path(__file__))
    return [*found, wrong.value]


def test_every_error_of_the_harness_can_be_pickled() -> None:
    for error in errors():
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error)
        assert str(back) == str(error)
        assert vars(back).keys() == vars(error).keys()
        assert (back.message, back.hint, back.exit_code) == (error.message, error.hint, error.exit_code)


@pytest.mark.parametrize("kernel", [True, False])
def test_memory_is_that_of_the_work_and_not_of_what_came_before(monkeypatch: pytest.MonkeyPatch, kernel: bool) -> None:
    if not kernel:  # as where the kernel's maximum cannot be started anew
        monkeypatch.setattr(memory_module, "_reset", lambda: False)
    with peak_memory() as before:
        pass
    with peak_memory() as hungry:
        held = bytearray(b"x") * 300_000_000
        del held
        if not kernel:
            held = bytearray(b"x") * 300_000_000
            import time

            time.sleep(0.2)  # the thread looks at intervals
            del held
    with peak_memory() as after:
        pass
    assert before.bytes is not None
    assert hungry.bytes is not None
    assert after.bytes is not None
    assert hungry.bytes > before.bytes + 2e8
    assert after.bytes < hungry.bytes - 2e8


def test_bars_are_reported_with_their_stage(diamond: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.progress import progress

    (stage,) = diamond["a"]
    plain = type(stage).compute

    def compute(self: Any, *arguments: Any) -> Any:
        with progress("sums", total=3) as bar:
            for _ in range(3):
                bar.advance(1, note="x")
        return plain(self, *arguments)

    monkeypatch.setattr(type(stage), "compute", compute)
    told: list[tuple[str, str, dict[str, Any]]] = []
    work.compute_stage(stage, store, lambda hook, stage, **arguments: told.append((hook, stage.id, arguments)))
    assert {identifier for _, identifier, _ in told} == {stage.id}
    bars = [arguments for hook, _, arguments in told if hook == "stage_progressed"]
    assert bars[-1] == {"unit": "sums", "done": 3, "total": 3, "notes": {"note": "x"}}


def test_linear_algebra_computes_with_as_many_threads_as_torch() -> None:
    """Sums over several threads are taken in another order: a stage would have other bits in the driver than in a worker."""
    import numpy as np
    import torch
    from threadpoolctl import threadpool_info

    from harness.engines.threads import computing_with

    np.linalg.norm(np.eye(3))  # numpy's library is loaded

    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with computing_with(2):
        assert threads() == {2}
        with computing_with(1):
            assert threads() == {1}
            assert torch.get_num_threads() == 1
        assert threads() == {2}
