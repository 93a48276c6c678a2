"""The artifact store: whole or not at all, checked when opened, exclusive per artifact."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.seeds import derive_seed
from harness.store.payload import join_texts, read_arrays, read_examples, split_texts, write_arrays, write_examples
from harness.store.store import DamagedArtifactError, Store


def put(store: Store, content: str = "payload", identifier: str = "a1") -> None:
    def compute(folder: Path) -> dict[str, Any]:
        (folder / "part").mkdir()
        (folder / "part" / "file.txt").write_text(content, encoding="utf-8")
        return {"note": 1}

    with store.claim("kind", identifier):
        store.write("kind", identifier, {"what": "it is"}, compute)


def test_what_is_written_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert not store.has("kind", "a1")
    put(store)
    assert store.has("kind", "a1")
    artifact = Store(tmp_path / "store").open("kind", "a1")
    assert artifact.path("part/file.txt").read_text() == "payload"
    assert artifact.meta["note"] == 1
    assert artifact.meta["seconds"] >= 0
    assert (tmp_path / "store" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("where", ["compute", "after"])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, where: str) -> None:
    store = Store(tmp_path)

    def compute(folder: Path) -> dict[str, Any]:
        (folder / "half.txt").write_text("half", encoding="utf-8")
        if where == "compute":
            raise ValueError("no")
        return {"unserialisable": object()}

    with pytest.raises((ValueError, TypeError)), store.claim("kind", "a1"):
        store.write("kind", "a1", {}, compute)
    assert not store.has("kind", "a1")
    assert not list((tmp_path / "building").iterdir())


@pytest.mark.parametrize("damage", ["content", "length", "missing", "manifest"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    put(Store(tmp_path))
    file = tmp_path / "artifacts/kind/a1/part/file.txt"
    if damage == "content":
        file.write_text("pAyload", encoding="utf-8")
    elif damage == "length":
        file.write_text("pay", encoding="utf-8")
    elif damage == "missing":
        file.unlink()
    else:
        (file.parent.parent / "artifact.json").write_text("[]", encoding="utf-8")
    store = Store(tmp_path)
    assert store.has("kind", "a1") == (damage == "content")
    with pytest.raises(DamagedArtifactError):
        store.open("kind", "a1")
    store.discard("kind", "a1")
    put(store)
    assert store.open("kind", "a1").path("part/file.txt").read_text() == "payload"


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def compute(folder: Path) -> dict[str, Any]:
        with Path("/dev/full").open("wb") as stream:
            stream.write(b"x" * 100_000)
        return {}

    with pytest.raises(StoreError, match="No space left") as error, store.claim("kind", "a1"):
        store.write("kind", "a1", {}, compute)
    assert error.value.exit_code == 2
    assert isinstance(error.value.__cause__, OSError)
    assert error.value.__cause__.errno == errno.ENOSPC


def test_a_full_disk_is_recognised_in_the_words_of_other_libraries(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def compute(folder: Path) -> dict[str, Any]:
        from safetensors import SafetensorError

        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(StoreError, match="No space left"), store.claim("kind", "a1"):
        store.write("kind", "a1", {}, compute)


def test_looking_into_a_store_that_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", read_only=True)
    assert not store.has("kind", "a1")
    assert not store.meta("kind", "a1")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="No permission"):
        Store(tmp_path / "store")


HOLD = """
import sys
from pathlib import Path
from harness.store.store import Store

with Store(Path(sys.argv[1])).claim("kind", "a1"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_claims_exclude_other_processes_and_end_with_them(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    waited: list[bool] = []

    def kill() -> None:
        waited.append(True)
        process.kill()

    with Store(tmp_path).claim("kind", "a1", on_wait=kill):
        assert waited == [True]
    process.communicate()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(texts, st.none() | texts, st.integers(0, 5), st.lists(texts, max_size=2)), max_size=5))
def test_examples_survive_the_disk(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    from harness import Example

    path = tmp_path_factory.mktemp("payload") / "examples.parquet"
    examples = [Example(a, label, b, id=str(i), tags=tuple(tags)) for i, (a, b, label, tags) in enumerate(rows)]
    write_examples(path, examples)
    assert read_examples(path) == examples
    first = path.read_bytes()
    write_examples(path, examples)
    assert path.read_bytes() == first
    assert join_texts(*split_texts(e.texts for e in examples)) == [e.texts for e in examples]


def test_arrays_survive_the_disk(tmp_path: Path) -> None:
    import numpy as np

    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2], "b": np.asarray([True, False])}
    write_arrays(tmp_path / "x.safetensors", arrays)
    back = read_arrays(tmp_path / "x.safetensors")
    assert all(np.array_equal(back[name], array) and back[name].dtype == array.dtype for name, array in arrays.items())


@given(st.integers(0, 2**31), st.lists(st.text(), max_size=3))
def test_seeds_depend_on_every_axis(seed: int, axes: list[str]) -> None:
    derived = derive_seed(seed, *axes)
    assert 0 <= derived < 2**31
    assert derived == derive_seed(seed, *axes)
    assert derived != derive_seed(seed, *axes, "more")
