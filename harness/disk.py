"""Files on disk: digests, text files written in one step, and operating system errors in words."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from harness.errors import InputError, StoreError

DEFAULT_OUTPUT = Path("runs")
"""Where run folders go, and are looked for."""

DEFAULT_STORE = Path(".harness")
"""Where the artifact store is."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def known_digest(path: Path) -> str:
    """:func:`file_digest`, computed once per process, size and modification time: for identities, not for checking integrity.

    Raises:
        OSError: The file cannot be read.
    """
    status = path.stat()
    return _known_digest(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _known_digest(path: Path, size: int, modified: int) -> str:
    return file_digest(path)


def files_digest(paths: Iterable[Path]) -> str:
    """One digest of several files' names (without their folders) and bytes, whatever their order."""
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        digest.update(f"{path.name}\0{known_digest(path)}\n".encode())
    return digest.hexdigest()


def climbs(name: str) -> bool:
    """Whether a name with forward slashes is none of a file below a folder: empty, absolute, with ``..``, a drive or a NUL."""
    parts = PurePosixPath(name).parts
    odd = "\0" in name or "\\" in name or bool(PureWindowsPath(name).drive)
    return not parts or ".." in parts or parts[0] == "/" or odd


def within(folder: Path, name: str) -> Path:
    """``folder / name``, for a name that comes from a file, a record or a plugin: it never leads out of the folder.

    Args:
        folder: The folder.
        name: A relative path with forward slashes: ``"tables/ece.reliability.parquet"``.

    Raises:
        InputError: The name :func:`climbs`, or a link leads out of the folder.
    """
    path = folder if climbs(name) else folder / name
    if climbs(name) or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{name!r} is no name of a file in {folder}: it would lead out of the folder.")
    return path


def read_json(path: Path, *, absent: str) -> Any:
    """What a JSON file that came from somebody holds.

    Args:
        path: The file.
        absent: The message where there is none.

    Raises:
        InputError: It is absent or no file, cannot be read, or is no JSON that Python holds.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no file.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(absent) from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no JSON, no Unicode, a number of 5,000 digits
        raise InputError(f"{path}: cannot be read as JSON ({str(error).partition(';')[0]}).") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


@contextmanager
def explained(
    root: Path, *, only_space: bool = False, elsewhere: str = "Choose another place with --store and --output."
) -> Iterator[None]:
    """Turn operating system errors about ``root`` into messages for the user.

    Args:
        root: The folder that is read or written.
        only_space: Explain a full disk only; other errors may come from elsewhere and pass through.
        elsewhere: What to do where writing is not permitted.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if disk_full(error):
            raise StoreError(
                f"No space left on the disk of {root}. Finished stages are kept.",
                hint="Free some space (`harness cache` shows what the store holds), then run the same command again.",
            ) from error
        if only_space or not isinstance(error, OSError):
            raise
        place = Path(error.filename or root)
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StoreError(f"No permission to write to {place}.", hint=elsewhere) from error
        if error.errno in {errno.EEXIST, errno.ENOTDIR}:
            file = next((path for path in (place, *place.parents) if path.is_file()), place)
            raise StoreError(f"Cannot use {root} as a folder: {file} is a file.", hint=elsewhere) from error
        raise StoreError(f"Cannot use {root}: {error.strerror or error}.") from error


def disk_full(error: Exception) -> bool:
    """Whether an error says that a disk is full; libraries written in Rust say so in words only."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError):
        return error.errno in codes
    return any(f"(os error {code})" in str(error) for code in codes)
