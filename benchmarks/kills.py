"""What a kill costs: runs whose driver, worker or node is killed with SIGKILL again and again, against quiet ones.

    python benchmarks/kills.py --kills 20 --limit 300

Runs three arms of suites/quickstart.yaml: in worker processes, and, where Ray is installed, on a cluster of two nodes of one
processor each beside a head without any. Every few seconds (drawn by seed) the driver, one of its workers, or one of the nodes
is killed. When the driver is gone the same command is given again; for a node that is lost another one joins. What a kill
costs is the time that all tries took together less that of a quiet run of the same engine, divided by the number of kills:
work done twice, and processes started again. In the end the artifacts and the boards are compared with those of the quiet run
in worker processes, byte for byte. Results go to benchmarks/results/kills.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "kills.md"
ARMS = ("only", "ibs", "bliss+wldv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--limit", type=int, default=300, help="examples of each split, at most")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=float, nargs=2, default=(4.0, 20.0), help="seconds from one kill to the next")
    args = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    rng = random.Random(0)
    victims = ["driver", "worker", *(["node"] if importlib.util.find_spec("ray") else [])]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        quiet = {"processes": timed(start(root / "quiet", args))}
        whole, board = payloads(root / "quiet"), boards(root / "quiet")
        for number, victim in enumerate(victims):
            share = (args.kills + number) // len(victims)
            kills = tries = 0
            took, same = 0.0, True
            with cluster(victim == "node") as nodes:
                engine = "ray" if nodes else "processes"
                if engine not in quiet:
                    quiet[engine] = timed(start(root / engine, args, nodes))
                print(f"quiet ({engine}): {quiet[engine]:.0f} s", flush=True)
                while kills < share:
                    place = root / f"{victim}-{tries}"
                    more, seconds = killed(place, victim, share - kills, rng, args, nodes)
                    same &= payloads(place) == whole and boards(place) == board
                    kills, tries, took = kills + more, tries + 1, took + seconds
                    print(victim, more, f"{seconds:.0f} s", same, flush=True)
            rows.append((victim, engine, kills, tries, took, (took - tries * quiet[engine]) / kills, same))
    RESULTS.write_text(table(rows, quiet, args), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


@contextmanager
def cluster(wanted: bool) -> Iterator[Any]:
    """A Ray cluster of two nodes on this machine, or nothing."""
    if not wanted:
        yield None
        return
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1)
    try:
        yield made
    finally:
        for node in (*made.worker_nodes, made.head_node):
            node.kill_all_processes(check_alive=False, allow_graceful=False)


def start(place: Path, args: argparse.Namespace, nodes: Any = None) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "harness",
        "run",
        ROOT / "suites" / "quickstart.yaml",
        "--quiet",
        "--limit",
        args.limit,
    ]
    command += [option for arm in ARMS for option in ("--arm", arm)]
    command += ["--engine", "ray", "--address", nodes.address] if nodes else ["--jobs", args.jobs]
    command += ["--store", place / "store", "--output", place / "runs"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def timed(process: subprocess.Popen[bytes]) -> float:
    began = time.monotonic()
    if process.wait():
        raise SystemExit(f"the run ended with {process.returncode}")
    return time.monotonic() - began


def killed(
    place: Path, victim: str, most: int, rng: random.Random, args: argparse.Namespace, nodes: Any
) -> tuple[int, float]:
    """Run to the end through up to ``most`` kills; how many there were, and the seconds of all tries together."""
    kills, began = 0, time.monotonic()
    process = start(place, args, nodes)
    while True:
        try:
            if process.wait(timeout=rng.uniform(*args.every) if kills < most else None) == 0:
                return kills, time.monotonic() - began
        except subprocess.TimeoutExpired:
            if victim == "node":
                nodes.remove_node(rng.choice(sorted(nodes.worker_nodes, key=str)), allow_graceful=False)
                nodes.add_node(num_cpus=1)
                kills += 1
                continue
            targets = [process.pid] if victim == "driver" else workers(process.pid)
            if not targets:
                continue
            with suppress(ProcessLookupError):
                os.kill(rng.choice(targets), signal.SIGKILL)
                kills += 1
            if victim == "worker":
                continue
            process.wait()
        process = start(place, args, nodes)


def workers(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():  # a thread of the driver may have started them
            for child in (task / "children").read_text(encoding="ascii").split():
                if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8"):
                    found.append(int(child))
    return found


def payloads(place: Path) -> dict[str, bytes]:
    found = (place / "store" / "artifacts").rglob("*")
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in found
        if path.is_file() and path.name != "artifact.json"
    }


def boards(place: Path) -> list[bytes]:
    return [(place / "runs" / "quickstart" / f"leaderboard.{form}").read_bytes() for form in ("md", "csv", "json")]


def table(
    rows: list[tuple[str, str, int, int, float, float, bool]], quiet: dict[str, float], args: argparse.Namespace
) -> str:
    took = ", ".join(f"{seconds:.0f} s ({engine})" for engine, seconds in quiet.items())
    lines = [
        "# What a kill costs",
        "",
        f"`python benchmarks/kills.py --kills {args.kills} --limit {args.limit} --jobs {args.jobs}`: arms {', '.join(ARMS)} of",
        f"suites/quickstart.yaml on {os.cpu_count()} logical processors; a quiet run takes {took}.",
        f"A kill every {args.every[0]:g} to {args.every[1]:g} s; a lost node is followed by a new one.",
        "",
        "| killed with SIGKILL | engine | kills | runs | their time (s) | lost per kill (s) | same bytes as a quiet run |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {who} | {engine} | {kills} | {runs} | {took:.0f} | {lost:.1f} | {'yes' if same else 'NO'} |"
        for who, engine, kills, runs, took, lost, same in rows
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
