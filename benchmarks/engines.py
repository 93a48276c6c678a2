"""Engines: what they give of what the machine has, and what they take for themselves.

    python benchmarks/engines.py --rounds 3 --limit 200 --seeds 2

*Throughput*: three arms of suites/quickstart.yaml under some seeds with ``--jobs N``, against N independent copies of the run
(``--jobs 1``) side by side, which is what the hardware gives; both take turns, and the bytes of all boards are compared.
*Overhead*: seconds per stage of stages that do next to nothing (:mod:`harness.testing.sums`), the start of the engine left
out: 110 of them less 10. Medians of the rounds. Results go to benchmarks/results/engines.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.engines import chosen
from harness.observers.hooks import Observers
from harness.store.store import Store
from harness.testing.sums import Sum

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "engines.md"
ARMS = ("only", "ibs", "bliss+wldv")
FEW, MANY = 10, 110


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=200, help="examples of each split, at most")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of the run")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    engines = ["local", "processes", *(["ray"] if importlib.util.find_spec("ray") else [])]
    spent: dict[str, list[float]] = {name: [] for name in engines}
    shares: list[tuple[float, float]] = []
    same = True
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            for name in engines:
                spent[name].append(per_stage(name, Path(folder) / f"{name}-{number}", args.jobs))
            one, together, equal = throughput(Path(folder) / f"round-{number}", args)
            shares.append((one, together))
            same &= equal
            print(
                f"round {number}: {spent}, {one:.0f} s with {args.jobs} jobs, {together:.0f} s for {args.jobs} copies"
            )
    RESULTS.write_text(table(spent, shares, args, same=same), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def per_stage(name: str, place: Path, jobs: int) -> float:
    """Milliseconds per stage."""
    seconds = []
    for turn, count in enumerate((FEW, FEW, MANY)):  # the first one warms up
        store = Store(place / str(turn))
        engine = chosen(1 if name == "local" else jobs, 1, engine=name)(store)
        began = time.perf_counter()
        finished = list(engine.compute([Sum(f"stage {i}", i) for i in range(count)], Observers([], print)))
        seconds.append(time.perf_counter() - began)
        assert all(one.error is None for one in finished)
    return 1000 * (seconds[2] - seconds[1]) / (MANY - FEW)


def throughput(place: Path, args: argparse.Namespace) -> tuple[float, float, bool]:
    """Seconds of a run with N jobs, and of N copies at once; whether all boards have the same bytes."""
    began = time.perf_counter()
    ended(start(place / "jobs", args, args.jobs))
    one = time.perf_counter() - began
    began = time.perf_counter()
    copies = [start(place / f"copy-{number}", args, 1) for number in range(args.jobs)]
    for copy in copies:
        ended(copy)
    together = time.perf_counter() - began
    boards = {(path / "runs" / "quickstart" / "leaderboard.json").read_bytes() for path in place.iterdir()}
    return one, together, len(boards) == 1


def start(place: Path, args: argparse.Namespace, jobs: int) -> subprocess.Popen[bytes]:
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
    command += ["--set", f"seeds={list(range(args.seeds))}"]
    command += [option for arm in ARMS for option in ("--arm", arm)]
    command += ["--jobs", jobs, "--store", place / "store", "--output", place / "runs"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ended(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise SystemExit(f"the run ended with {process.returncode}")


def table(
    spent: dict[str, list[float]], shares: list[tuple[float, float]], args: argparse.Namespace, *, same: bool
) -> str:
    jobs = args.jobs
    share = statistics.median(together / (jobs * one) for one, together in shares)
    lines = [
        "# Engines",
        "",
        f"`python benchmarks/engines.py --rounds {args.rounds} --limit {args.limit} --seeds {args.seeds} --jobs {jobs}`",
        f"on {os.cpu_count()} logical processors.",
        "",
        "| engine | overhead per stage (ms, median) |",
        "| --- | ---: |",
        *(f"| {name} | {statistics.median(found):.1f} |" for name, found in spent.items()),
        "",
        f"| arms {', '.join(ARMS)} of suites/quickstart.yaml, {args.seeds} seeds | median |",
        "| --- | ---: |",
        f"| one run, `--jobs {jobs}` (s) | {statistics.median(one for one, _ in shares):.0f} |",
        f"| {jobs} copies side by side, `--jobs 1` each (s) | {statistics.median(together for _, together in shares):.0f} |",
        f"| share of what the hardware gives (goal: .95) | {share:.2f} |",
        f"| the same bytes in all boards | {'yes' if same else 'NO'} |",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
