"""Stages in worker processes: the same bytes whatever their number, whoever dies; and no process is left behind."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.engines import ProcessEngine
from harness.errors import InputError
from harness.observers.hooks import Observers
from harness.store.store import Store
from harness.testing.sums import Fatal, Sum


@pytest.fixture
def observers(seen: Any) -> Observers:
    def complain(line: str) -> None:
        raise AssertionError(line)

    return Observers([seen], complain)


def waited(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What a condition gives once it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("It did not come to hold.")


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits to be collected does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def nothing_half_built(store: Store) -> bool:
    return not list((store.root / "building").iterdir()) and not list(store.root.rglob("half.json"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, 0], ids=["SIGKILL", "SIGSEGV", "exit"])
def test_a_stage_whose_worker_dies_is_computed_by_another(
    store: Store, observers: Observers, seen: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: int
) -> None:
    fragile = Sum("fragile", 1, fatal=Fatal(tmp_path / "deaths", 1, how))
    top = Sum("top", 10, (fragile,))
    assert [item.error for item in ProcessEngine(store).compute([top], observers)] == [None]
    assert store.open("sum", top.id).json("sum.json") == 11
    assert seen.named("finished") == ["fragile", "top"]
    assert seen.named("failed") == []
    assert f"ended ({signal.Signals(how).name if how else 'exit code 3'}); it is tried once more" in caplog.text
    assert nothing_half_built(store)


def test_a_stage_of_which_two_workers_die_has_failed_and_the_others_go_on(
    store: Store, observers: Observers, seen: Any, tmp_path: Path
) -> None:
    deadly = Sum("deadly", 1, fatal=Fatal(tmp_path / "deaths", 9))
    top, other = Sum("top", 10, (deadly,)), Sum("other", 3)
    found = {item.target.title: item.error for item in ProcessEngine(store).compute([top, other], observers)}
    assert found["other"] is None
    error = found["top"]
    assert error is not None
    assert error.stage.title == "deadly"
    assert error.message == "deadly: the process that computed it was ended by SIGKILL, 2 times."
    assert "--jobs" in (error.hint or "")
    assert len(list((tmp_path / "deaths").iterdir())) == 2
    assert seen.named("failed") == ["deadly"]
    assert nothing_half_built(store)


def test_a_stage_that_cannot_be_sent_is_one_message(store: Store, observers: Observers, seen: Any) -> None:
    stuck = Sum("stuck", 1, how={"x": ValueError(lambda: None)})
    found = {item.target.title: item.error for item in ProcessEngine(store).compute([stuck, Sum("b", 2)], observers)}
    assert found["b"] is None
    assert "cannot be sent to a worker" in str(found["stuck"])
    assert "--jobs 1" in str(found["stuck"])
    assert seen.named("failed") == ["stuck"]


class Unloadable:
    """What no other process can load."""

    def __reduce__(self) -> Any:
        return (__import__, ("no_such_module",))


def test_a_stage_that_no_worker_can_load_is_one_message(store: Store, observers: Observers, seen: Any) -> None:
    odd = Sum("odd", 1, how={"x": Unloadable()})  # type: ignore[dict-item]
    (finished,) = ProcessEngine(store).compute([odd], observers)
    assert "odd: no worker can load it: ModuleNotFoundError" in str(finished.error)
    assert seen.named("failed") == ["odd"]


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"jobs": -1}, {"jobs": 1.5}, {"jobs": True}, {"threads": 0}])
def test_a_number_that_makes_no_sense_is_one_message(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="whole number from 1 on") as error:
        harness.run(None, **wrong)  # type: ignore[arg-type]
    assert error.value.exit_code == 2


DRIVER = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from harness.engines import ProcessEngine
from harness.observers.hooks import Observers

if __name__ == "__main__":
    stages, store = pickle.loads(Path(sys.argv[1]).read_bytes())
    for finished in ProcessEngine(store, jobs=2).compute(stages, Observers([], print)):
        print(finished.target.title, finished.error, flush=True)
"""


@pytest.fixture
def driver(tmp_path: Path, store: Store) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process that computes stages with two workers."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(folder=str(Path(__file__).parent)))
    started = []

    def start(stages: list[Sum]) -> subprocess.Popen[str]:
        (tmp_path / "work.pickle").write_bytes(pickle.dumps((stages, store)))
        command = [sys.executable, str(script), str(tmp_path / "work.pickle")]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a script's background ignores it
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_whatever_ends_the_driver_ends_its_workers(
    driver: Callable[..., subprocess.Popen[str]],
    store: Store,
    observers: Observers,
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    slow = [Sum(f"slow {n}", n, fatal=Fatal(tmp_path / "asleep", 2, -1)) for n in range(2)]
    process = driver([Sum("first", 5), *slow])
    waited(lambda: (tmp_path / "asleep").exists() and len(list((tmp_path / "asleep").iterdir())) == 2)
    busy = [int(path.name) for path in (tmp_path / "asleep").iterdir()]
    family = children(process.pid)
    assert set(busy) <= set(family)
    process.send_signal(how)
    process.wait(timeout=20)
    waited(lambda: not any(alive(pid) for pid in family))
    out, errors = process.communicate()
    assert out == "first None\n"
    assert errors.count("Traceback") == (1 if how == signal.SIGINT else 0)  # the driver's own
    if how == signal.SIGINT:
        assert nothing_half_built(store)
    assert [item.error for item in ProcessEngine(store).compute(slow, observers)] == [None, None]
    assert nothing_half_built(store)


UNGUARDED = """
import sys
from pathlib import Path
import harness
print("imported")
harness.run(harness.load_suite(sys.argv[1]), output=sys.argv[2], store=sys.argv[3], jobs=2)
"""


def test_a_script_that_runs_when_it_is_imported_is_told_once(suite_file: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    arguments = [str(tmp_path / "script.py"), str(suite_file()), str(tmp_path / "runs"), str(tmp_path / "store")]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "store" / "artifacts").iterdir())


class Noisy:
    """Warns, logs and prints in the process that loads it."""

    def __reduce__(self) -> Any:
        return (exec, ("import sys, warnings; warnings.warn('odd'); print('loud'); print('angry', file=sys.stderr)",))


def test_what_workers_say_goes_to_the_log(
    store: Store, observers: Observers, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        list(ProcessEngine(store).compute([Sum("noisy", 1, how={"x": Noisy()}), Sum("b", 2)], observers))  # type: ignore[dict-item]
    assert "UserWarning: odd" in caplog.text
    assert "loud" in caplog.text
    assert "angry" in caplog.text
    assert capfd.readouterr() == ("", "")


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but manifests."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != "artifact.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def timeless(record: Any) -> dict[str, Any]:
    """A record's header without what differs from run to run."""
    header: dict[str, Any] = record.header.model_dump(exclude={"timings", "usage"})
    header["scores"] = {name: score for name, score in header["scores"].items() if not score["volatile"]}
    return header


BOARDS = ("leaderboard.md", "leaderboard.csv", "leaderboard.json")


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_number_of_jobs(run_tiny: Callable[..., Any], tmp_path: Path) -> None:
    runs = [run_tiny(output=f"runs{n}", store=f"store{n}", jobs=n, threads=1) for n in (1, 2, 3)]
    assert not [failure for run in runs for failure in run.failures]
    one, *others = runs
    for number, run in enumerate(others, 2):
        assert files(tmp_path / f"store{number}" / "artifacts") == files(tmp_path / "store1" / "artifacts")
        assert [timeless(record) for record in run.records] == [timeless(record) for record in one.records]
        assert all(
            files(here.folder / "tables") == files(there.folder / "tables")
            for here, there in zip(run.records, one.records, strict=True)
        )
        for board in BOARDS:
            assert (run.folder / board).read_bytes() == (one.folder / board).read_bytes()
        assert run.computed == one.computed
    assert not [pid for pid in children(os.getpid()) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
