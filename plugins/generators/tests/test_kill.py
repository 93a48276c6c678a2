"""Runs that are killed without warning and resumed, and runs side by side: nothing is lost, nothing is paid twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from harness_generators.testing import ChatServer, Faults

CONCURRENCY = 8

PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
import harness
from harness.components import Example, GenerationTask, SyntheticExample, Task, UnknownUnknown, Usage

url, cache, count, out = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
options = json.loads(sys.argv[5])
uus = [
    UnknownUnknown(
        Example(f"Part {i} of the series is a terrible bore from start to end.", 0),
        f"Part {i} of the series is a terrbile bore from satrt to end.",
        np.array([0.9, 0.1]), np.array([0.1, 0.9]), i,
    )
    for i in range(count)
]
task = GenerationTask(
    Task("reviews", ("negative", "positive"), ("review",)), 2, [uu.example for uu in uus],
    np.zeros((count, 2)), lambda texts: np.zeros((len(texts), 2)), None, cache,
)
generator = harness.component(
    "generator", "openai", model="stand-in", base_url=url, provider="test", api_key_env="", timeout=10, max_concurrency=8,
    **options,
)
made = list(generator.generate(uus, task, seed=0))
samples = [item for item in made if isinstance(item, SyntheticExample)]
usage = sum((item for item in made if isinstance(item, Usage)), Usage())
out.write_text(json.dumps({
    "samples": [[s.uu, s.role, s.example.text] for s in samples], "requests": usage.requests, "cached": usage.cached,
}))
"""


def start(server, cache, count, out, **options):
    command = [sys.executable, "-c", PROGRAM, server.base_url, str(cache), str(count), str(out), json.dumps(options)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.mark.parametrize("count", [24, pytest.param(200, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_where_it_was(tmp_path, count):
    cache, out = tmp_path / "cache", tmp_path / "out.json"
    faults = Faults(rate=0.2, seed=1)
    with ChatServer(faults, latency=0.05, slow_seconds=0.3, retry_after=0.1) as server:
        process = start(server, cache, count, out)
        deadline = time.monotonic() + 120
        while len(server.answered) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists()
        time.sleep(0.5)  # what was on its way reaches nobody
        kept = {json.dumps(json.loads(path.read_text())["request"]["messages"]) for path in cache.rglob("*.json")}
        assert len(kept) >= count - CONCURRENCY
        before = len(server.calls)

        assert start(server, cache, count, out).wait() == 0
        # A request's identity is wider than its body, but here the messages are as telling.
        asked_again = {_messages(call) for call in server.calls[before:]}
        assert not kept & asked_again
        paid = Counter(_messages(call) for call in server.answered)
        # All that can be paid twice is what the server had sent, or was about to send, when the process died.
        assert sum(times - 1 for times in paid.values()) <= CONCURRENCY
    found = json.loads(out.read_text())
    assert [(uu, role) for uu, role, _ in found["samples"]] == [
        (i, r) for i in range(count) for r in ("exploit", "explore")
    ]
    assert (found["cached"], found["requests"]) == (len(kept), 2 * count - len(kept))
    assert sum(call.fault != "ok" for call in server.calls) > 0.1 * len(server.calls)

    if count == 200:  # the same as a run without faults and without a kill
        with ChatServer() as untroubled:
            assert start(untroubled, tmp_path / "other", count, out).wait() == 0
        assert json.loads(out.read_text())["samples"] == found["samples"]


@pytest.mark.parametrize(
    ("options", "faults"),
    [({}, ["ok", "500", "cut"]), ({"batch": True, "batch_poll": 0.1}, [])],
    ids=["requests", "batches"],
)
def test_two_processes_at_once_share_what_they_pay_for(tmp_path, options, faults):
    count, cache = 12, tmp_path / "cache"
    with ChatServer(faults, latency=0.3) as server:
        outs = [tmp_path / f"{i}.json" for i in range(2)]
        processes = [start(server, cache, count, out, **options) for out in outs]
        assert [process.wait() for process in processes] == [0, 0]
        paid = Counter(call.body for call in server.answered)
    assert len(paid) == 2 * count
    assert set(paid.values()) == {1}
    one, two = (json.loads(out.read_text()) for out in outs)
    assert one["samples"] == two["samples"]
    assert len(one["samples"]) == 2 * count
    if not options:
        assert one["requests"] + two["requests"] == one["cached"] + two["cached"] == 2 * count
    assert not list((cache / "openai" / "locks").glob("*-*")) + list((cache / "openai" / "batches").glob("*.json"))


def _messages(call):
    return json.dumps([[m["role"], m["content"]] for m in json.loads(call.body)["messages"]])
