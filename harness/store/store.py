"""The artifact store: immutable results of stages, by content address.

An artifact is a folder ``<root>/artifacts/<stage kind>/<id>`` of payload files (parquet, safetensors, JSON; never pickle) and a
manifest that holds the identity it was computed from, a SHA-256 of every file, and one of itself. It is written to a folder of
its own, flushed, and renamed in one step if there is none yet: it is there whole or not at all, and who is first stays. That is
right on any file system on which renaming is one step, network file systems without locks too. Processes that share a store
tell each other by claims (:mod:`harness.store.claims`) what they are computing, which only saves work.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.disk import climbs, explained, file_digest
from harness.errors import HarnessError, StoreError, listed
from harness.store.claims import born, claimed, gone, is_dead, machine

MANIFEST = "artifact.json"
FORMAT = 2
"""1 had no digest of the manifest itself; it is read all the same."""


class DamagedArtifactError(HarnessError):
    """An artifact is not what its manifest says, or has no manifest that can be read."""


class DeterminismError(HarnessError):
    """An artifact was computed twice, to different bytes."""


class MissingArtifactError(DamagedArtifactError):
    """There is nothing where the artifact would be."""


@dataclass(frozen=True)
class Artifact:
    """A finished artifact.

    Attributes:
        folder: Where its files are.
        meta: Facts about the computation that are not part of its identity (:mod:`harness.engines.facts`).
    """

    folder: Path
    meta: dict[str, Any]

    def path(self, name: str) -> Path:
        """One of its files or folders."""
        return self.folder / name

    def json(self, name: str) -> Any:
        """A JSON file of the artifact."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


class Store:
    """A folder of artifacts.

    Args:
        root: The store's folder; made if absent.
        read_only: Leave the folder alone: what is there can be looked up, nothing can be written.

    Raises:
        StoreError: The folder cannot be made or written.
    """

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self.root, self._read_only = root, read_only
        self._verified: set[Path] = set()
        if read_only:
            return
        with explained(root):
            root.mkdir(parents=True, exist_ok=True)
            for part in ("artifacts", "building", "claims"):
                (root / part).mkdir(exist_ok=True)
            ignore = root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            if not os.access(root, os.W_OK):
                raise PermissionError(errno.EACCES, "no write permission", str(root))

    def __getstate__(self) -> dict[str, Any]:
        """The same folder from any working directory; each process verifies for itself."""
        return {"root": self.root.absolute(), "_read_only": self._read_only, "_verified": set()}

    @property
    def responses(self) -> Path:
        """A folder for paid responses of language models; kept when artifacts are deleted."""
        return self.root / "responses"

    def unfinished(self, kind: str, identifier: str) -> Path:
        """A folder for what a long stage keeps of its work, so that it can go on when its process is killed.

        Not made here; removed with the artifact's publication. It need not be locked: what is in it is written whole, and is
        the same whoever writes it.
        """
        return self.root / "unfinished" / f"{kind}-{identifier}"

    def folder(self, kind: str, identifier: str) -> Path:
        """Where an artifact is or would be."""
        return self.root / "artifacts" / kind / identifier

    def has(self, kind: str, identifier: str) -> bool:
        """Whether the artifact is there with all its files at their sizes (their contents are checked by :meth:`open`)."""
        folder = self.folder(kind, identifier)
        try:
            _sized(folder, _manifest(folder))
        except DamagedArtifactError:
            return False
        return True

    def open(self, kind: str, identifier: str) -> Artifact:
        """A finished artifact; its checksums are verified the first time this process opens it.

        Raises:
            MissingArtifactError: There is none.
            DamagedArtifactError: It is incomplete or unreadable, or a file differs from its checksum.
        """
        folder = self.folder(kind, identifier)
        if not folder.exists():
            _look_again(folder.parent)
            if not folder.exists():
                raise MissingArtifactError(f"{folder} does not exist.")
        manifest = _manifest(folder)
        _sized(folder, manifest)
        if folder not in self._verified:
            for name, entry in manifest["files"].items():
                try:
                    digest = file_digest(folder / name)
                except OSError as error:
                    raise DamagedArtifactError(f"{folder} is incomplete or unreadable ({error}).") from error
                if digest != entry["sha256"]:
                    raise DamagedArtifactError(f"{folder / name} differs from its checksum.")
            self._verified.add(folder)
        return Artifact(folder, manifest["meta"])

    def meta(self, kind: str, identifier: str) -> dict[str, Any]:
        """Facts about how an artifact was computed; empty where its manifest is missing or damaged."""
        try:
            meta: dict[str, Any] = _manifest(self.folder(kind, identifier))["meta"]
        except DamagedArtifactError:
            return {}
        return meta

    def relate(self, kind: str, identifier: str, family: str) -> None:
        """Note that an artifact is of a family, so that :meth:`related` finds it."""
        note = self.root / "related" / kind / family / identifier
        with explained(self.root):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()

    def related(self, kind: str, family: str) -> Iterator[Artifact]:
        """The artifacts of a family that are there and sound."""
        folder = self.root / "related" / kind / family
        for note in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                yield self.open(kind, note.name)
            except DamagedArtifactError:
                continue

    def names(self, kind: str) -> Iterator[str]:
        """The identities of the artifacts of a kind, sorted."""
        folder = self.root / "artifacts" / kind
        yield from sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ()

    def discard(self, kind: str, identifier: str) -> None:
        """Remove an artifact, so that it is computed again. Call it while holding :meth:`claim`."""
        folder = self.folder(kind, identifier)
        self._verified.discard(folder)
        with explained(self.root):
            if folder.exists():
                grave = self._building(kind, identifier)
                with suppress(FileNotFoundError):  # somebody else was faster
                    folder.rename(grave)
                shutil.rmtree(grave, ignore_errors=True)

    def sweep(self, kind: str, identifier: str, *, lost: bool = False) -> None:
        """Remove what processes that died had begun of an artifact.

        Args:
            kind: Stage kind.
            identifier: Artifact identity.
            lost: It is known that whoever computed it, on whatever machine, does so no more.
        """
        if self._read_only:
            return
        claim = self._claim(kind, identifier)
        if lost or is_dead(claim):
            claim.unlink(missing_ok=True)
        for folder in (self.root / "building").glob(f"{kind}-{identifier}.*"):
            if lost or _abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def mark(self) -> Iterator[str]:
        """Leave a mark in the store that whoever sees the store finds (:meth:`marked`), while the context lasts."""
        if self._read_only:
            yield ""
            return
        name = secrets.token_hex(8)
        path = self.root / "marks" / name
        with explained(self.root):
            path.parent.mkdir(exist_ok=True)
            path.touch()
        try:
            yield name
        finally:
            path.unlink(missing_ok=True)

    def marked(self, name: str) -> bool:
        """Whether a mark is there."""
        _look_again(self.root / "marks")
        return (self.root / "marks" / name).exists()

    def __str__(self) -> str:
        """What people call it."""
        return str(self.root)

    @contextmanager
    def claim(self, kind: str, identifier: str, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the right to compute one artifact, waiting while another process has it.

        Args:
            kind: Stage kind.
            identifier: Artifact identity.
            on_wait: Called once when there is something to wait for.

        Raises:
            StoreError: The store is read only, or a lock cannot be made in it.
        """
        if self._read_only:
            raise StoreError(
                f"No permission to write to {self.root}, and {kind} {identifier} has to be computed.",
                hint="Choose another place with --store and --output.",
            )
        with ExitStack() as stack:
            with explained(self.root):
                stack.enter_context(claimed(self._claim(kind, identifier), on_wait=on_wait))
            yield

    def write(self, kind: str, identifier: str, identity: Any, compute: Callable[[Path], dict[str, Any]]) -> Artifact:
        """Compute an artifact into a folder of its own and put it in place, unless somebody else was first.

        Hold :meth:`claim` while calling it, so that others wait; what is published is right without.

        Args:
            kind: Stage kind.
            identifier: Artifact identity.
            identity: What the identifier is the hash of, kept in the manifest for people.
            compute: Writes the payload into the folder it is given; what it returns is added to ``meta``.

        Returns:
            The artifact that is there now.

        Raises:
            DeterminismError: Somebody else was first, with other bytes, which are kept.
        """
        self.sweep(kind, identifier)
        building = self._building(kind, identifier)
        try:
            with explained(self.root):
                building.mkdir(parents=True)
            start = time.perf_counter()
            with explained(self.root, only_space=True):
                meta = compute(building)
            seconds = time.perf_counter() - start
            with explained(self.root):
                files = {}
                for path in sorted(p for p in building.rglob("*") if p.is_file()):
                    name = path.relative_to(building).as_posix()
                    files[name] = {"sha256": file_digest(path), "size": path.stat().st_size}
                    _flush(path)
                manifest: dict[str, Any] = {
                    "format": FORMAT,
                    "kind": kind,
                    "id": identifier,
                    "identity": identity,
                    "files": files,
                    "meta": {"seconds": seconds, **meta},
                }
                manifest["sha256"] = _digest(manifest)
                (building / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
                _flush(building / MANIFEST)
                artifact = self._published(kind, identifier, building, manifest)
            shutil.rmtree(self.unfinished(kind, identifier), ignore_errors=True)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        return artifact

    def _published(self, kind: str, identifier: str, building: Path, manifest: dict[str, Any]) -> Artifact:
        """Put a finished folder in place, or find that somebody was first. A damaged one gives way."""
        target = self.folder(kind, identifier)
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                building.rename(target)
            except OSError as error:
                # ENOENT: an answer was lost on a network, and the file system has asked again for what was done.
                if error.errno not in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT} or not target.exists():
                    raise
            else:
                self._verified.add(target)
                return Artifact(target, manifest["meta"])
            self._verified.discard(target)
            try:
                first = self.open(kind, identifier)
                theirs = _manifest(target)["files"]
            except DamagedArtifactError:
                if not building.exists():
                    raise
                self.discard(kind, identifier)
                continue
            shutil.rmtree(building, ignore_errors=True)
            ours = manifest["files"]
            if unlike := sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)):
                raise DeterminismError(
                    f"{kind} {identifier} was computed twice, to different bytes: {listed(unlike)}. "
                    f"The first result is kept ({target}).",
                    hint="A stage has to be a function of its options and inputs. Machines of different kinds may round "
                    "differently; on machines of one kind this is a fault of the component, or of the harness.",
                )
            return first

    def _claim(self, kind: str, identifier: str) -> Path:
        return self.root / "claims" / f"{kind}-{identifier}"

    def _building(self, kind: str, identifier: str) -> Path:
        """A folder of this process alone, whose name says whose it is."""
        pid = os.getpid()
        return (
            self.root / "building" / f"{kind}-{identifier}.{_machine_digest()}.{pid}.{born(pid)}.{secrets.token_hex(4)}"
        )


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact.

    Raises:
        DamagedArtifactError: It cannot be read, is not one, or differs from its own digest.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise DamagedArtifactError(f"{folder} is incomplete or unreadable ({error}).") from error
    return checked(content, str(folder / MANIFEST))


def checked(content: bytes, where: str) -> dict[str, Any]:
    """A manifest from its text, less its own digest.

    Raises:
        DamagedArtifactError: It is none, or differs from its digest; the message names ``where`` it is.
    """
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedArtifactError(f"{where} is incomplete or unreadable ({error}).") from error
    if not _well_formed(manifest):
        raise DamagedArtifactError(f"{where} is incomplete or unreadable (it is not a manifest).")
    digest = manifest.pop("sha256", None)
    if digest != (None if manifest["format"] == 1 else _digest(manifest)):
        raise DamagedArtifactError(f"{where} differs from its checksum.")
    found: dict[str, Any] = manifest
    return found


def _well_formed(manifest: Any) -> bool:
    """Whether a manifest has the keys that are read, and the types they are read as."""
    if not isinstance(manifest, dict) or manifest.get("format") not in range(1, FORMAT + 1):
        return False
    files, meta = manifest.get("files"), manifest.get("meta")
    return (
        isinstance(meta, dict)
        and isinstance(files, dict)
        and all(isinstance(entry, dict) and {"sha256", "size"} <= entry.keys() for entry in files.values())
        and not any(map(climbs, files))
    )


def _digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest's content as it will be read back, in hexadecimal."""
    read_back = json.loads(json.dumps(manifest))
    return hashlib.sha256(json.dumps(read_back, sort_keys=True).encode()).hexdigest()


def _sized(folder: Path, manifest: dict[str, Any]) -> None:
    """Check that all files of a manifest are there at their sizes.

    Raises:
        DamagedArtifactError: One is not.
    """
    for name, entry in manifest["files"].items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            raise DamagedArtifactError(f"{folder} is incomplete or unreadable ({error}).") from error
        if size != entry["size"]:
            raise DamagedArtifactError(f"{folder / name} differs from its checksum.")


def _look_again(folder: Path) -> None:
    """Have a network file system ask anew what is in a folder: opening it does."""
    with suppress(OSError):
        os.close(os.open(folder, os.O_RDONLY))


@cache
def _machine_digest() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:12]


def _abandoned(building: Path) -> bool:
    """Whether the process whose folder it is has ended, as far as can be seen from here."""
    where, pid, birth = [*building.name.split(".")[1:4], "", "", ""][:3]
    return where == _machine_digest() and pid.isdecimal() and gone(machine(), int(pid), birth) is True


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
