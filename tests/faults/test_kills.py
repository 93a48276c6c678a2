"""Whenever the harness or one of its workers is killed: the same command goes on, and ends with the bytes of a quiet run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

KILLS = 20
BOARDS = ("leaderboard.md", "leaderboard.csv", "leaderboard.json")


def payloads(store: Path) -> dict[str, bytes]:
    """Every file of every artifact but the manifests."""
    found = (path for path in (store / "artifacts").rglob("*") if path.is_file() and path.name != "artifact.json")
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in found}


def workers(pid: int) -> list[int]:
    """Worker processes of a driver (it has a tracker of resources as another child)."""
    found = []
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                found.append(int(child))
    return found


def running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.mark.slow
def test_random_kills(suite_file: Callable[..., Path], tmp_path: Path) -> None:
    suite = suite_file(("epochs: 6", "epochs: 2"))

    def start(store: Path, output: Path, jobs: int = 2) -> subprocess.Popen[bytes]:
        options = ["--arm", "only", "--arm", "ibs+wldv", "--jobs", str(jobs), "--threads", "1", "--quiet"]
        command = [sys.executable, "-m", "harness", "run", suite, *options, "--store", store, "--output", output]
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    assert start(tmp_path / "quiet", tmp_path / "quiet-runs", jobs=1).wait() == 0
    whole = payloads(tmp_path / "quiet")
    boards = {name: (tmp_path / "quiet-runs" / "tiny" / name).read_bytes() for name in BOARDS}
    rng, kills, finished = random.Random(0), Counter[str](), 0
    store, output = tmp_path / "store", tmp_path / "runs"
    while kills.total() < KILLS or not finished:
        process = start(store, output)
        family: set[int] = set()
        while process.poll() is None and not workers(process.pid):
            time.sleep(0.02)
        while process.poll() is None and kills.total() < KILLS:
            with suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.2, 5))
                break
            now = workers(process.pid)
            family.update(now)
            drivers_turn = not now or 2 * kills["driver"] < kills["worker"]
            victim = process.pid if drivers_turn else rng.choice(sorted(now))
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                kills["driver" if victim == process.pid else "worker"] += 1
        code = process.wait()
        end = time.monotonic() + 20
        while any(map(running, family)) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(map(running, family))
        assert code in {0, 1, -signal.SIGKILL}
        if code == 0:
            finished += 1
            assert payloads(store) == whole
            assert {name: (output / "tiny" / name).read_bytes() for name in BOARDS} == boards
            assert not list((store / "building").iterdir())
            shutil.rmtree(store)
            shutil.rmtree(output)
    assert min(kills["driver"], kills["worker"]) >= KILLS // 5
