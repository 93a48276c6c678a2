"""Claims end with their holders, and who is first stays, with or without them."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.store import claims
from harness.store.claims import claimed, gone, machine
from harness.store.store import DeterminismError, Store


def test_a_holder_on_another_machine_is_waited_for_as_long_as_it_gives_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "claim"
    path.write_text(json.dumps({"host": "elsewhere", "pid": os.getpid(), "born": "", "nonce": "x"}))
    clock, beats = [0.0], []

    def sleep(seconds: float) -> None:
        clock[0] += 20
        if len(beats) < 20:
            beats.append(clock[0])
            os.utime(path, (0, 4e9 - len(beats)))  # its clock is not ours, and goes backwards

    monkeypatch.setattr(claims, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock[0]))
    monkeypatch.setattr(claims, "_heart", lambda: SimpleNamespace(held=set()))
    with claimed(path):
        assert 400 + claims.EXPIRY < clock[0] < 460 + claims.EXPIRY
        assert json.loads(path.read_text())["host"] == machine()
    assert not list(tmp_path.iterdir())


def test_whether_a_process_has_ended() -> None:
    birth = claims.born(os.getpid())
    assert gone(machine(), os.getpid(), birth) is False
    assert gone(machine(), os.getpid(), f"{birth}1") is True  # its number was given to another
    assert gone("elsewhere", os.getpid(), birth) is None
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    assert gone(machine(), process.pid or 0, "") is True


def test_a_claim_that_somebody_took_over_is_not_released(tmp_path: Path) -> None:
    path = tmp_path / "claim"
    with claimed(path):
        path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "born": "", "nonce": "theirs"}))
    assert json.loads(path.read_text())["nonce"] == "theirs"


def put(store: Store, content: str) -> Any:
    def compute(folder: Path) -> dict[str, Any]:
        (folder / "file.txt").write_text(content, encoding="utf-8")
        return {"by": os.getpid()}

    return store.write("kind", "a1", {}, compute)


def race(root: Path, gate: Any, results: Any) -> None:
    store = Store(root)
    gate.wait()
    results.put((os.getpid(), put(store, "the same").meta["by"]))


def test_of_several_who_publish_without_claims_the_first_stays(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    gate, results = context.Barrier(4), context.Queue()
    processes = [context.Process(target=race, args=(tmp_path, gate, results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert len({pid for pid, _ in found}) == 4
    assert len({by for _, by in found}) == 1
    assert not list((tmp_path / "building").iterdir())


def test_other_bytes_are_a_fault_of_determinism(tmp_path: Path) -> None:
    put(Store(tmp_path), "one")
    with pytest.raises(DeterminismError, match=r"kind a1 was computed twice, to different bytes: file\.txt"):
        put(Store(tmp_path), "two")
    assert Store(tmp_path).open("kind", "a1").path("file.txt").read_text() == "one"
    assert not list((tmp_path / "building").iterdir())


def test_what_a_dead_process_had_begun_is_removed_and_what_others_build_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    mine = store._building("kind", "a1")
    where, pid, birth = mine.name.split(".")[1:4]
    dead, elsewhere = (
        mine.with_name(f"kind-a1.{where}.{pid}.{birth}1.aa"),
        mine.with_name(f"kind-a1.elsewhere.{pid}.{birth}.aa"),
    )
    for folder in (mine, dead, elsewhere):
        folder.mkdir()
    store.sweep("kind", "a1")
    assert mine.exists()
    assert elsewhere.exists()
    assert not dead.exists()
    store.sweep("kind", "a1", lost=True)
    assert not elsewhere.exists()
