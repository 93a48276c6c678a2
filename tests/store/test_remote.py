"""Stores at a URL: what one machine computes another has, whole and checked, and nothing is there before its manifest."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import StoreError
from harness.store.places import is_url, open_store
from harness.store.remote import RemoteStore
from harness.store.store import DamagedArtifactError, DeterminismError, MissingArtifactError, Store

KIND, ID = "predict", "0" * 16


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/bucket/prefix"


@pytest.fixture
def machine(url: str, tmp_path: Path) -> Callable[[str], RemoteStore]:
    """A machine's view of the store: its own local folder in front of the same URL."""
    return lambda name: RemoteStore(url, cache=tmp_path / name)


def write(store: Store, content: str = "0.5", *, identifier: str = ID) -> Any:
    def compute(folder: Path) -> dict[str, Any]:
        (folder / "deep").mkdir()
        (folder / "deep" / "values.txt").write_text(content)
        (folder / "note.txt").write_text("the same in all")
        return {"device": "cpu"}

    with store.claim(KIND, identifier):
        return store.write(KIND, identifier, {"of": identifier}, compute)


def test_what_one_machine_computes_another_has(machine) -> None:
    one, two = machine("one"), machine("two")
    assert not two.has(KIND, ID)
    write(one)
    one.relate(KIND, ID, "family")
    two._listed.clear()
    assert two.has(KIND, ID)
    assert list(two.names(KIND)) == [ID]
    assert two.meta(KIND, ID)["device"] == "cpu"
    assert not Store.has(two, KIND, ID)  # nothing was fetched to know that
    artifact = two.open(KIND, ID)
    assert (artifact.folder / "deep" / "values.txt").read_text() == "0.5"
    assert two.root in artifact.folder.parents
    assert Store.has(two, KIND, ID)
    assert [found.folder for found in two.related(KIND, "family")] == [artifact.folder]
    with pytest.raises(MissingArtifactError):
        two.open(KIND, "1" * 16)


def test_nothing_is_there_before_its_manifest(machine, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = machine("one"), machine("two")
    sent: list[str] = []
    real = one.objects.write

    def stopped(name: str, content: bytes) -> None:
        sent.append(name)
        if name.startswith("manifests/"):
            raise StoreError("the power went out")
        real(name, content)

    monkeypatch.setattr(one.objects, "write", stopped)
    with pytest.raises(StoreError, match="the power went out"):
        write(one)
    bucket = Path(url.removeprefix("file://"))
    assert len(list((bucket / "objects").rglob("*/*"))) == 2  # its files are there, and are not enough
    assert not two.has(KIND, ID)
    monkeypatch.undo()
    write(two)
    assert two.has(KIND, ID)


def test_a_damaged_object_is_found_on_arrival_and_computed_again(machine, url: str) -> None:
    one, two = machine("one"), machine("two")
    artifact = write(one)
    bucket = Path(url.removeprefix("file://"))
    for spoil in (lambda path: path.write_bytes(b"x" * path.stat().st_size), lambda path: path.unlink()):
        for path in (bucket / "objects").rglob("*/*"):
            if path.is_file():
                spoil(path)
        two._manifests.clear()
        with pytest.raises(DamagedArtifactError, match=r"differs from its checksum|is missing"):
            two.open(KIND, ID)
        assert not list((two.root / "building").iterdir())
    two.discard(KIND, ID)
    assert not two.has(KIND, ID)
    write(two)
    (artifact.folder / "note.txt").unlink()  # the copy of the first machine is damaged: what is there is whole
    assert RemoteStore(url, cache=one.root).open(KIND, ID).path("note.txt").read_text() == "the same in all"
    manifest = bucket / "manifests" / KIND / f"{ID}.json"
    manifest.write_text(manifest.read_text().replace("cpu", "gpu"))
    with pytest.raises(DamagedArtifactError, match="differs from its checksum"):
        machine("three").open(KIND, ID)


def test_other_bytes_are_a_fault_of_determinism_and_the_first_stay(machine) -> None:
    one, two = machine("one"), machine("two")
    two.has(KIND, ID)
    write(one)
    with pytest.raises(DeterminismError, match=r"computed twice, to different bytes: deep/values.txt"):
        write(two, "0.6")
    assert two.open(KIND, ID).path("deep/values.txt").read_text() == "0.5"


def test_a_lease_makes_others_wait_and_a_dead_ones_is_taken(machine, url: str) -> None:
    one, two = machine("one"), machine("two")
    waited, done = threading.Event(), threading.Event()

    def second() -> None:
        with two.claim(KIND, ID, on_wait=waited.set):
            done.set()

    with one.claim(KIND, ID):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(20)
        assert not done.is_set()
    assert done.wait(20)
    thread.join()
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    from harness.store.claims import machine as here

    dead = {"host": here(), "pid": int(process.stdout), "born": "1", "nonce": "x", "beat": 3}
    one.objects.write(f"claims/{KIND}-{ID}", json.dumps(dead).encode())
    with two.claim(KIND, ID, on_wait=pytest.fail):
        pass
    assert two.objects.names("claims") == []


def test_paid_answers_are_there_for_others(machine) -> None:
    one, two = machine("one"), machine("two")
    (one.responses / "abc.json").write_text("{}")
    write(one)
    assert (two.responses / "abc.json").read_text() == "{}"


def test_it_goes_to_another_process(machine) -> None:
    store = machine("one")
    write(store)
    again = pickle.loads(pickle.dumps(store))
    assert again.has(KIND, ID)
    with store.mark() as name:
        assert again.marked(name)
    assert not again.marked(name)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(RemoteStore.has, (store, KIND, ID))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nosuch://bucket", "There is no kind of store 'nosuch'"),
        ("file:///proc/nowhere/store", "The store file:///proc/nowhere/store cannot be used"),
    ],
)
def test_places_that_cannot_be_used_are_one_message(place: str, message: str) -> None:
    with pytest.raises(StoreError) as error:
        open_store(place)
    assert message in str(error.value)
    assert error.value.exit_code == 2


def test_what_is_a_url(tmp_path: Path) -> None:
    assert is_url("s3://bucket/prefix")
    assert not is_url(tmp_path)
    assert not is_url("folder/s3")


def test_a_read_only_store_computes_nothing(machine, url: str, tmp_path: Path) -> None:
    write(machine("one"))
    looking = RemoteStore(url, read_only=True, cache=tmp_path / "looking")
    assert looking.has(KIND, ID)
    with pytest.raises(StoreError, match="read only"):
        write(looking, identifier="2" * 16)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch):
    """A bucket of a server of our own."""
    pytest.importorskip("moto.server")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="bench")
    yield "s3://bench/store"
    server.stop()


@pytest.mark.slow
def test_two_machines_share_a_bucket(bucket: str, suite_file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str, jobs: int) -> Any:
        monkeypatch.setenv("HARNESS_STORE_CACHE", str(tmp_path / name))
        suite = harness.load_suite(suite_file(("epochs: 6", "epochs: 2"))).restrict(arms=["only", "ibs"])
        return harness.run(suite, output=tmp_path / f"runs-{name}", store=bucket, jobs=jobs)

    first, second = run("one", 2), run("two", 1)
    assert not first.failures
    assert first.computed > 5
    assert second.computed == 0
    for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    alone = harness.run(
        harness.load_suite(suite_file(("epochs: 6", "epochs: 2"))).restrict(arms=["only", "ibs"]),
        output=tmp_path / "alone",
        store=tmp_path / "alone-store",
    )
    assert (alone.folder / "leaderboard.json").read_bytes() == (first.folder / "leaderboard.json").read_bytes()


@pytest.mark.slow
def test_a_bucket_that_is_not_there_or_not_ours_is_one_message(bucket: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_STORE_CACHE", str(tmp_path))
    with pytest.raises(StoreError, match=r"The store s3://nobodys/store cannot be used"):
        open_store("s3://nobodys/store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"s3://bench/store cannot be used"):
        open_store("s3://bench/store")
