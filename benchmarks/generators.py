"""Generators: throughput against a slow server, a killed run against a faulty one, and the leakage search.

    python benchmarks/generators.py             # all three, a few minutes
    python benchmarks/generators.py throughput  # one of: throughput, kill, leakage

The server is the local one of harness_generators.testing, the client the real one, over HTTP on 127.0.0.1. Results go to
benchmarks/results/generators.json.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from harness_generators.testing import ChatServer, Faults

import harness
from harness.components import Example, GenerationTask, Rejected, SyntheticExample, Task, UnknownUnknown, Usage
from harness.datasets.leakage import closest

RESULTS = Path(__file__).parent / "results" / "generators.json"
LATENCY = 0.3


def unknown_unknowns(count: int) -> list[UnknownUnknown]:
    """Texts that differ in a number, with their labels; only their words matter here."""
    return [
        UnknownUnknown(
            Example(f"Part {i} of the series is a terrible bore from start to end.", 0),
            f"Part {i} of the series is a terrbile bore from satrt to end.",
            np.array([0.9, 0.1]),
            np.array([0.1, 0.9]),
            i,
        )
        for i in range(count)
    ]


def generate(url: str, count: int, cache: Path | None, concurrency: int) -> list[Any]:
    """All that the generator yields."""
    uus = unknown_unknowns(count)
    task: Any = GenerationTask(
        Task("reviews", ("negative", "positive"), ("review",)),
        2,
        [uu.example for uu in uus],
        np.zeros((count, 2)),
        lambda texts: np.zeros((len(texts), 2)),
        None,  # type: ignore[arg-type]  # the openai generator asks no classifier
        cache,
    )
    generator = harness.component(
        "generator",
        "openai",
        model="stand-in",
        base_url=url,
        provider="local",
        api_key_env="",
        timeout=10,
        max_concurrency=concurrency,
    )
    return list(generator.generate(uus, task, seed=0))


def throughput() -> dict[str, Any]:
    """Samples per second with 1, 8 and 64 requests at once against 300 ms of latency; the server in a process of its own."""
    rows: list[dict[str, Any]] = []
    command = [sys.executable, "-m", "harness_generators.testing", "--latency", str(LATENCY), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = re.search(r"http://\S+/v1", server.stdout.readline())[0]  # type: ignore[index]
        generate(url, 1, None, 1)  # imports everything once
        for concurrency in (1, 8, 64):
            count = 8 * concurrency if concurrency < 64 else 256
            wall, cpu = time.perf_counter(), time.process_time()
            made = generate(url, count, None, concurrency)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert sum(isinstance(item, SyntheticExample) for item in made) == 2 * count
            rate = 2 * count / wall
            rows.append(
                {
                    "concurrency": concurrency,
                    "requests": 2 * count,
                    "seconds": round(wall, 2),
                    "requests_per_second": round(rate, 2),
                    "share_of_ideal": round(rate * LATENCY / concurrency, 3),
                    "client_cpu_ms_per_request": round(1000 * cpu / (2 * count), 1),
                }
            )
            print(rows[-1])
        server.terminate()
    for row in rows:
        row["times_one_at_a_time"] = round(row["requests_per_second"] / rows[0]["requests_per_second"], 1)
    return {"latency_seconds": LATENCY, "rows": rows}


def kill() -> dict[str, Any]:
    """200 unknown unknowns, 20 % faults; killed with SIGKILL at a third, at two thirds, then run to the end."""
    count, concurrency = 200, 8
    with (
        tempfile.TemporaryDirectory() as folder,
        ChatServer(Faults(rate=0.2, seed=1), latency=0.05, slow_seconds=0.5, retry_after=0.1) as server,
    ):
        cache, kept = Path(folder), []
        for share in (1 / 3, 2 / 3):
            process = multiprocessing.get_context("spawn").Process(
                target=generate, args=(server.base_url, count, cache, concurrency)
            )
            process.start()
            while len(server.answered) < share * 2 * count:
                time.sleep(0.01)
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            time.sleep(1)
            kept.append(len(list(cache.rglob("*.json"))))
        made = generate(server.base_url, count, cache, concurrency)
        usage = sum((item for item in made if isinstance(item, Usage)), Usage())
        paid = Counter(call.body for call in server.answered)
        found = {
            "unknown_unknowns": count,
            "samples": sum(isinstance(item, SyntheticExample) for item in made),
            "rejected": dict(Counter(item.reason for item in made if isinstance(item, Rejected))),
            "requests_sent": len(server.calls),
            "faults": dict(Counter(call.fault for call in server.calls if call.fault != "ok").most_common()),
            "answers_in_cache_at_the_kills": kept,
            "answers_from_the_cache_at_the_end": usage.cached,
            "answered_and_billed": len(server.answered),
            "different_requests": len(paid),
            "billed_again_because_in_flight_at_a_kill": sum(times - 1 for times in paid.values()),
            "concurrency": concurrency,
        }
    print(found)
    return found


def leakage() -> dict[str, Any]:
    """2,500 candidates against 25,000 texts of 60 words, 5 % of them planted near-copies."""
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("etaoinshrdlucmfwyp", k=rng.randint(2, 10))) for _ in range(30_000)]
    weights = list(accumulate(1 / (rank + 2) for rank in range(len(vocabulary))))
    reference = [
        " ".join(words) for words in (rng.choices(vocabulary, cum_weights=weights, k=60) for _ in range(25_000))
    ]
    candidates = [" ".join(rng.choices(vocabulary, cum_weights=weights, k=60)) for _ in range(2_500)]
    planted = rng.sample(range(2_500), 125)
    for i in planted:
        words = rng.choice(reference).split()
        for j in rng.sample(range(60), 6):
            words[j] = words[j][1:] + "x"
        candidates[i] = " ".join(words)
    start = time.process_time()
    found = closest(candidates, reference)
    seconds = time.process_time() - start
    hits = set(np.flatnonzero(found.row >= 0).tolist())
    pairs_per_second = _pair_by_pair(candidates[:2], reference)
    row = {
        "candidates": len(candidates),
        "reference": len(reference),
        "cpu_seconds": round(seconds, 1),
        "found_of_planted": f"{len(hits & set(planted))} of {len(planted)}",
        "false_alarms": len(hits - set(planted)),
        "times_comparing_every_pair": round(len(candidates) * len(reference) / pairs_per_second / seconds),
    }
    print(row)
    return row


def _pair_by_pair(candidates: list[str], reference: list[str]) -> float:
    """Pairs per processor second when the same similarity is computed with plain sets; making the sets is not counted."""

    def grams(text: str) -> set[str]:
        return {text[i : i + 5] for i in range(len(text) - 4)}

    own, others = [grams(text) for text in candidates], [grams(text) for text in reference]
    start = time.process_time()
    for one in own:
        max(len(one & other) / len(one | other) for other in others)
    return len(own) * len(others) / (time.process_time() - start)


def main() -> None:
    """Run what the command line names, and keep what was measured before of the rest."""
    parts = {"throughput": throughput, "kill": kill, "leakage": leakage}
    chosen = sys.argv[1:] or list(parts)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in chosen:
        results[name] = parts[name]()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
