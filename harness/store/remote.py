"""A store at a URL, with a local folder in front.

What is computed is published in the local folder first, as in any store, and then sent: the files, each as an object named
by its SHA-256, and at last the manifest, which makes the artifact be there. Objects named by their content cannot be mixed
up by two who write at once; of two manifests the first stays, and other bytes are a fault of determinism. What is fetched is
checked against the manifest on arrival, and published in the local folder. No locks are needed, and none are taken: claims
are leases that only save work. Below the URL::

    manifests/<stage kind>/<id>.json    objects/<first two digits>/<sha256>    claims/    related/    responses/    marks/
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.disk import explained, file_digest
from harness.errors import StoreError, listed
from harness.store.claims import BEAT, EXPIRY, born, gone, machine
from harness.store.objects import Objects
from harness.store.store import (
    MANIFEST,
    Artifact,
    DamagedArtifactError,
    DeterminismError,
    MissingArtifactError,
    Store,
    checked,
)

REFRESH = 2.0
"""Seconds for which a list of what is there is believed."""
CACHE_VARIABLE = "HARNESS_STORE_CACHE"
"""Environment variable: the folder in which the local copies of remote stores are."""
PUSH = 5.0
"""Seconds between looks for answers of language models that are to be sent."""


def cache_of(url: str) -> Path:
    """The local folder in front of a store at a URL."""
    root = os.environ.get(CACHE_VARIABLE)
    base = (
        Path(root)
        if root
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bliss-harness" / "stores"
    )
    return base / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]


class RemoteStore(Store):
    """A store at a URL of any file system that fsspec knows.

    Args:
        url: ``s3://bucket/prefix``.
        read_only: Write nothing there. The local folder in front is written all the same.
        cache: The local folder in front; by default one in the user's cache (:func:`cache_of`).

    Raises:
        StoreError: The URL cannot be used, or the local folder cannot be written.
    """

    def __init__(self, url: str, *, read_only: bool = False, cache: Path | None = None) -> None:
        super().__init__(cache_of(url) if cache is None else cache)
        self.objects, self._there_only, self._cache = Objects(url), read_only, cache
        self._begin()
        if not read_only:
            self.objects.write("store.json", json.dumps({"format": 1}).encode())
        else:
            self.objects.exists("store.json")

    def _begin(self) -> None:
        self._listed: dict[str, tuple[float, frozenset[str]]] = {}
        self._manifests: dict[tuple[str, str], dict[str, Any]] = {}
        self._sent: dict[Path, tuple[int, int]] = {}
        self._pulled = False

    def __getstate__(self) -> dict[str, Any]:
        cache = None if self._cache is None else self._cache.absolute()
        return {"objects": self.objects, "_there_only": self._there_only, "_cache": cache}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """On another machine the local folder is that machine's."""
        self.__dict__.update(state)
        super().__init__(cache_of(self.objects.url) if self._cache is None else self._cache)
        self._begin()

    def __str__(self) -> str:
        """What people call it."""
        return self.objects.url

    # -- looking up

    def has(self, kind: str, identifier: str) -> bool:
        """Whether the artifact is in the local folder, or its manifest at the URL."""
        return super().has(kind, identifier) or identifier in self._there(kind)

    def _there(self, kind: str, *, anew: bool = False) -> frozenset[str]:
        """The artifacts of a kind at the URL."""
        when, known = self._listed.get(kind, (-REFRESH, frozenset[str]()))
        if anew or time.monotonic() - when >= REFRESH:
            names = self.objects.names(f"manifests/{kind}")
            known = frozenset(name.removesuffix(".json") for name in names if name.endswith(".json"))
            self._listed[kind] = time.monotonic(), known
        return known

    def names(self, kind: str) -> Iterator[str]:
        """The identities of the artifacts of a kind, here or there, sorted."""
        yield from sorted({*super().names(kind), *self._there(kind)})

    def open(self, kind: str, identifier: str) -> Artifact:
        """A finished artifact, fetched if it is not here; see :meth:`harness.store.store.Store.open`."""
        try:
            return super().open(kind, identifier)
        except MissingArtifactError:
            self._fetch(kind, identifier)
        except DamagedArtifactError:
            if identifier not in self._there(kind):
                raise
            super().discard(kind, identifier)  # what is there may be whole
            self._fetch(kind, identifier)
        return super().open(kind, identifier)

    def meta(self, kind: str, identifier: str) -> dict[str, Any]:
        """Facts about how an artifact was computed; empty where its manifest is missing or damaged."""
        if super().has(kind, identifier):
            return super().meta(kind, identifier)
        try:
            meta: dict[str, Any] = self._manifest(kind, identifier)["meta"]
        except DamagedArtifactError:
            return {}
        return meta

    def related(self, kind: str, family: str) -> Iterator[Artifact]:
        """The artifacts of a family that are there and sound."""
        here = self.root / "related" / kind / family
        names = {note.name for note in here.iterdir()} if here.is_dir() else set()
        for name in sorted({*names, *self.objects.names(f"related/{kind}/{family}")}):
            try:
                yield self.open(kind, name)
            except DamagedArtifactError:
                continue

    def _manifest(self, kind: str, identifier: str) -> dict[str, Any]:
        """The manifest at the URL.

        Raises:
            MissingArtifactError: There is none.
            DamagedArtifactError: It is damaged.
        """
        if (known := self._manifests.get((kind, identifier))) is not None:
            return known
        name = f"manifests/{kind}/{identifier}.json"
        content = self.objects.read(name)
        if content is None:
            raise MissingArtifactError(f"{self.objects.url}/{name} does not exist.")
        found = checked(content, f"{self.objects.url}/{name}")
        self._manifests[kind, identifier] = found
        return found

    def _fetch(self, kind: str, identifier: str) -> None:
        manifest = self._manifest(kind, identifier)
        building = self._building(kind, identifier)
        try:
            with explained(self.root):
                building.mkdir(parents=True)
                for name, entry in manifest["files"].items():
                    target = building / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    there = self.objects.download(_object(entry["sha256"]), target)
                    if not there or file_digest(target) != entry["sha256"]:
                        self._manifests.pop((kind, identifier), None)
                        what = "differs from its checksum" if there else "is missing"
                        raise DamagedArtifactError(f"{self.objects.url}: {name} of {kind} {identifier} {what}.")
                content = self.objects.read(f"manifests/{kind}/{identifier}.json")
                if content is None:
                    raise MissingArtifactError(f"{self.objects.url}: {kind} {identifier} was removed.")
                (building / MANIFEST).write_bytes(content)
                self._published(kind, identifier, building, manifest)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    # -- writing

    def write(self, kind: str, identifier: str, identity: Any, compute: Callable[[Path], dict[str, Any]]) -> Artifact:
        """Compute an artifact, publish it here, and send it; see :meth:`harness.store.store.Store.write`."""
        self._writable(kind, identifier)
        with self._sending_answers():
            artifact = super().write(kind, identifier, identity, compute)
        self._send(kind, identifier, artifact)
        return artifact

    def _send(self, kind: str, identifier: str, artifact: Artifact) -> None:
        content = (artifact.folder / MANIFEST).read_bytes()
        ours = checked(content, str(artifact.folder / MANIFEST))
        name = f"manifests/{kind}/{identifier}.json"
        with suppress(DamagedArtifactError):  # a damaged one gives way
            self._manifests.pop((kind, identifier), None)
            self._same(kind, identifier, ours, self._manifest(kind, identifier))
            return
        for file, entry in ours["files"].items():
            self.objects.upload(artifact.folder / file, _object(entry["sha256"]))
        self.objects.write(name, content)
        self._manifests.pop((kind, identifier), None)
        self._same(kind, identifier, ours, self._manifest(kind, identifier))
        self._listed.pop(kind, None)

    def _same(self, kind: str, identifier: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        files, first = ours["files"], theirs["files"]
        if unlike := sorted(name for name in files.keys() | first.keys() if files.get(name) != first.get(name)):
            super().discard(kind, identifier)
            raise DeterminismError(
                f"{kind} {identifier} was computed twice, to different bytes: {listed(unlike)}. "
                f"The first result is kept ({self.objects.url}).",
                hint="A stage has to be a function of its options and inputs. Machines of different kinds may round "
                "differently; on machines of one kind this is a fault of the component, or of the harness.",
            )

    def discard(self, kind: str, identifier: str) -> None:
        """Remove an artifact here and there, so that it is computed again."""
        super().discard(kind, identifier)
        self._manifests.pop((kind, identifier), None)
        if not self._there_only:
            self.objects.remove(f"manifests/{kind}/{identifier}.json")
        self._listed.pop(kind, None)

    def relate(self, kind: str, identifier: str, family: str) -> None:
        """Note that an artifact is of a family, here and there."""
        super().relate(kind, identifier, family)
        if not self._there_only:
            self.objects.write(f"related/{kind}/{family}/{identifier}", b"")

    def sweep(self, kind: str, identifier: str, *, lost: bool = False) -> None:
        """Remove what processes that died had begun of an artifact; see :meth:`harness.store.store.Store.sweep`."""
        super().sweep(kind, identifier, lost=lost)
        if lost and not self._there_only:
            self.objects.remove(_lease(kind, identifier))

    def _writable(self, kind: str, identifier: str) -> None:
        if self._there_only:
            raise StoreError(
                f"{self.objects.url} was opened to be read only, and {kind} {identifier} has to be computed."
            )

    # -- telling others

    @contextmanager
    def claim(self, kind: str, identifier: str, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the right to compute one artifact, among the processes here and everywhere."""
        self._writable(kind, identifier)
        with super().claim(kind, identifier, on_wait=on_wait):
            if super().has(kind, identifier):
                yield
                return
            with _leased(self.objects, _lease(kind, identifier), on_wait):
                self._there(kind, anew=True)
                yield

    @contextmanager
    def mark(self) -> Iterator[str]:
        """Leave a mark at the URL that whoever sees it finds, while the context lasts."""
        if self._there_only:
            yield ""
            return
        name = secrets.token_hex(8)
        self.objects.write(f"marks/{name}", b"")
        try:
            yield name
        finally:
            with suppress(StoreError):
                self.objects.remove(f"marks/{name}")

    def marked(self, name: str) -> bool:
        """Whether a mark is there."""
        return self.objects.exists(f"marks/{name}")

    # -- answers that cost money

    @property
    def responses(self) -> Path:
        """A folder for paid responses of language models: those at the URL are fetched first, and new ones are sent."""
        folder = self.root / "responses"
        if not self._pulled:
            self._pulled = True
            folder.mkdir(parents=True, exist_ok=True)
            here = {path.name for path in folder.glob("*.json")}
            for name in self.objects.names("responses"):
                if name not in here:
                    arriving = folder / f".{name}.{secrets.token_hex(4)}"
                    if self.objects.download(f"responses/{name}", arriving):
                        arriving.replace(folder / name)
        return folder

    def _send_answers(self) -> None:
        """Send the answers that are not there as they are here."""
        folder = self.root / "responses"
        there = set(self.objects.names("responses")) if not self._sent and folder.is_dir() else set()
        for path in sorted(folder.glob("*.json")):
            with suppress(FileNotFoundError):
                status = path.stat()
                state = status.st_size, status.st_mtime_ns
                if self._sent.get(path) != state:
                    if path.name not in there:
                        self.objects.upload(path, f"responses/{path.name}")
                    self._sent[path] = state

    @contextmanager
    def _sending_answers(self) -> Iterator[None]:
        """While a stage computes, send the answers that it was given every few seconds, and at the end."""
        done = threading.Event()

        def send() -> None:
            while not done.wait(PUSH):
                with suppress(StoreError):
                    self._send_answers()

        thread = threading.Thread(target=send, name="harness-answers", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            if (self.root / "responses").is_dir():
                with suppress(StoreError):
                    self._send_answers()


def _object(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256}"


def _lease(kind: str, identifier: str) -> str:
    return f"claims/{kind}-{identifier}"


@contextmanager
def _leased(objects: Objects, name: str, on_wait: Callable[[], None] | None) -> Iterator[None]:
    """Hold a lease at the URL, waiting while somebody who lives holds it. Two may hold it by a hair; that costs work only."""
    pid, nonce = os.getpid(), secrets.token_hex(8)
    holder: dict[str, Any] = {"host": machine(), "pid": pid, "born": born(pid), "nonce": nonce, "beat": 0}
    seen, since, pause, told = None, time.monotonic(), 0.1, False
    while True:
        found = objects.read_json(name)
        if found != seen:
            seen, since = found, time.monotonic()
        if not isinstance(found, dict) or _ended(found) or time.monotonic() - since > EXPIRY:
            objects.write(name, json.dumps(holder).encode())
            last = objects.read_json(name)
            if isinstance(last, dict) and last.get("nonce") == nonce:
                break
            continue
        if on_wait is not None and not told:
            told = True
            on_wait()
        time.sleep(pause)
        pause = min(5.0, pause * 1.5)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT):
            holder["beat"] += 1
            with suppress(StoreError):
                objects.write(name, json.dumps(holder).encode())

    thread = threading.Thread(target=beat, name="harness-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with suppress(StoreError):
            last = objects.read_json(name)
            if isinstance(last, dict) and last.get("nonce") == nonce:
                objects.remove(name)


def _ended(holder: dict[str, Any]) -> bool:
    """Whether the holder of a lease is known to have ended: on its own machine at once."""
    try:
        return gone(str(holder["host"]), int(holder["pid"]), str(holder["born"])) is True
    except (KeyError, ValueError, TypeError):
        return True
