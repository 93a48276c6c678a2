"""Objects of a bucket, or files of any other file system that fsspec knows, with errors that people understand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import StoreError

EXTRAS = {"s3": "bliss-harness[s3]", "s3a": "bliss-harness[s3]"}
"""What installs the package that a kind of URL needs."""


class Objects:
    """The objects below a URL, by relative name.

    Args:
        url: ``s3://bucket/prefix``, or a URL of another kind.

    Raises:
        StoreError: There is no such kind of URL, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        _ = self._system

    @cached_property
    def _system(self) -> Any:
        import fsspec

        protocol = self.url.partition("://")[0]
        try:
            return fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            install = EXTRAS.get(protocol)
            raise StoreError(
                f"A store at {self.url} needs a package that is not installed: {str(error).splitlines()[0]}",
                hint=f"Install it with `pip install '{install}'`." if install else None,
            ) from error
        except ValueError as error:
            known = ", ".join(sorted(name for name in fsspec.available_protocols() if name in _COMMON))
            raise StoreError(
                f"There is no kind of store {protocol!r}: {self.url}. Known are folders, and {known}."
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    def _at(self, name: str) -> str:
        path: str = self._system._strip_protocol(f"{self.url}/{name}" if name else self.url)
        return path

    def _made(self, name: str) -> str:
        """The place of an object to be written; its folder is made where there are folders. A bucket is never made."""
        path = self._at(name)
        if self.url.partition("://")[0] in _WITH_FOLDERS:
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        return path

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the file system complains of into a message that names the URL."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            if not (isinstance(error, OSError) or type(error).__module__.split(".")[0] in _FOREIGN):
                raise
            words = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
            hint = "Is the name right, and may these credentials read and write there?"
            if isinstance(error, ConnectionError | TimeoutError) or "onnect" in words:
                hint = "Can the server be reached from here? Finished stages are kept: the same command goes on."
            raise StoreError(f"The store {self.url} cannot be used: {words}", hint=hint) from error

    def read(self, name: str) -> bytes | None:
        """The content of an object; ``None`` if there is none.

        Raises:
            StoreError: The store cannot be used.
        """
        with self.explained():
            try:
                content: bytes = self._system.cat_file(self._at(name))
            except FileNotFoundError:
                return None
            return content

    def read_json(self, name: str) -> Any:
        """An object as JSON; ``None`` if there is none, or it is damaged.

        Raises:
            StoreError: The store cannot be used.
        """
        content = self.read(name)
        try:
            return None if content is None else json.loads(content)
        except ValueError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Make an object, in one step where the file system can.

        Raises:
            StoreError: The store cannot be used.
        """
        with self.explained():
            self._system.pipe_file(self._made(name), content)

    def upload(self, file: Path, name: str) -> None:
        """Make an object of a file.

        Raises:
            StoreError: The store cannot be used.
        """
        with self.explained():
            self._system.put_file(str(file), self._made(name))

    def download(self, name: str, file: Path) -> bool:
        """Copy an object to a file; whether there is one.

        Raises:
            StoreError: The store cannot be used.
        """
        with self.explained():
            try:
                self._system.get_file(self._at(name), str(file))
            except FileNotFoundError:
                return False
            return True

    def exists(self, name: str) -> bool:
        """Whether an object is there, asked anew.

        Raises:
            StoreError: The store cannot be used.
        """
        with self.explained():
            return bool(self._system.exists(self._at(name)))

    def names(self, folder: str) -> list[str]:
        """Names of the objects right below a folder, sorted.

        Raises:
            StoreError: The store cannot be used.
        """
        with self.explained():
            try:
                found = self._system.ls(self._at(folder), detail=False)
            except FileNotFoundError:
                return []
            return sorted(name for path in found if (name := str(path).rstrip("/").rpartition("/")[2]))

    def remove(self, name: str) -> None:
        """Remove an object, if it is there.

        Raises:
            StoreError: The store cannot be used.
        """
        with self.explained():
            try:
                self._system.rm_file(self._at(name))
            except FileNotFoundError:
                return


_FOREIGN = {
    "botocore",
    "aiobotocore",
    "aiohttp",
    "gcsfs",
    "adlfs",
    "azure",
    "google",
    "paramiko",
    "requests",
    "urllib3",
}
_WITH_FOLDERS = {"file", "local", "memory", "sftp", "ssh", "smb", "webhdfs", "hdfs", "nfs", "ftp"}
_COMMON = {"s3", "gs", "az", "abfs", "file", "memory", "sftp", "hf", "webhdfs", "smb"}
