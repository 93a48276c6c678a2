"""Where a store is: a folder, or a URL of any file system that fsspec knows."""

from __future__ import annotations

import os
from pathlib import Path

from harness.store.store import Store


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a URL (``s3://bucket/prefix``) and no folder."""
    return isinstance(place, str) and "://" in place


def open_store(place: str | os.PathLike[str], *, read_only: bool = False) -> Store:
    """The store at a place, made if absent.

    Args:
        place: A folder, or a URL (:class:`harness.store.remote.RemoteStore`).
        read_only: Leave it alone: what is there can be looked up, nothing can be written.

    Raises:
        StoreError: It cannot be made, read or written.
    """
    if is_url(place):
        from harness.store.remote import RemoteStore

        return RemoteStore(str(place), read_only=read_only)
    return Store(Path(place), read_only=read_only)
