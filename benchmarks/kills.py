"""What a kill costs: a run whose driver or one of whose workers is killed with SIGKILL again and again, against a quiet one.

    python benchmarks/kills.py --kills 20 --limit 300

Runs three arms of suites/quickstart.yaml in worker processes. Every few seconds (drawn by seed) the driver, or one of its
workers, is killed; when the driver is gone the same command is given again. What a kill costs is the time that all tries took
together less that of a quiet run, divided by the number of kills: work done twice, and processes started again. In the end
the store and the boards are compared with the quiet run's, byte for byte. Results go to benchmarks/results/kills.md.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

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
    rng = random.Random(0)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        quiet = timed(start(root / "quiet", args))
        whole, board = payloads(root / "quiet"), boards(root / "quiet")
        print(f"quiet: {quiet:.0f} s")
        done = 0
        while done < args.kills:
            victim = ("driver", "worker")[len(rows) % 2]
            place = root / f"run-{len(rows)}"
            kills, took = killed(place, victim, args.kills - done, rng, args)
            same = payloads(place) == whole and boards(place) == board
            rows.append((victim, kills, took, (took - quiet) / max(kills, 1), same))
            print(rows[-1])
            done += kills
    RESULTS.write_text(table(rows, quiet, args), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def start(place: Path, args: argparse.Namespace) -> subprocess.Popen[bytes]:
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
    command += ["--jobs", args.jobs, "--store", place / "store", "--output", place / "runs"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def timed(process: subprocess.Popen[bytes]) -> float:
    began = time.monotonic()
    if process.wait():
        raise SystemExit(f"the run ended with {process.returncode}")
    return time.monotonic() - began


def killed(place: Path, victim: str, most: int, rng: random.Random, args: argparse.Namespace) -> tuple[int, float]:
    """Run to the end through up to ``most`` kills; how many there were, and the seconds of all tries together."""
    kills, began = 0, time.monotonic()
    process = start(place, args)
    while True:
        try:
            if process.wait(timeout=rng.uniform(*args.every) if kills < most else None) == 0:
                return kills, time.monotonic() - began
        except subprocess.TimeoutExpired:
            targets = [process.pid] if victim == "driver" else workers(process.pid)
            if not targets:
                continue
            with suppress(ProcessLookupError):
                os.kill(rng.choice(targets), signal.SIGKILL)
                kills += 1
            if victim == "worker":
                continue
            process.wait()
        process = start(place, args)


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


def table(rows: list[tuple[str, int, float, float, bool]], quiet: float, args: argparse.Namespace) -> str:
    lines = [
        "# What a kill costs",
        "",
        f"`python benchmarks/kills.py --kills {args.kills} --limit {args.limit} --jobs {args.jobs}`: arms {', '.join(ARMS)} of",
        f"suites/quickstart.yaml; a quiet run takes {quiet:.0f} s. A kill every {args.every[0]:g} to {args.every[1]:g} s.",
        "",
        "| killed with SIGKILL | kills | all tries (s) | lost per kill (s) | same bytes as the quiet run |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {who} | {n} | {took:.0f} | {lost:.1f} | {'yes' if same else 'NO'} |" for who, n, took, lost, same in rows
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
