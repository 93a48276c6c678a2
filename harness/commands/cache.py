"""``harness cache``."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.commands.common import console
from harness.errors import InputError
from harness.store.places import is_url
from harness.store.store import DamagedArtifactError, Store


def show_cache(place: str, *, clear: bool, verify: bool) -> None:
    """Print what the store holds by kind of stage; delete or verify it if asked."""
    from rich.table import Table

    screen = console()
    if is_url(place):
        _show_remote(place, change=clear or verify)
        return
    root = Path(place)
    if not (root / "artifacts").is_dir():
        screen.print(f"There is no store at {root}.", markup=False)
        return
    store = Store(root, read_only=not (clear or verify))
    table = Table("stage", "artifacts", "size", box=None, header_style="bold", pad_edge=False)
    total = 0
    for kind in sorted(path.name for path in (root / "artifacts").iterdir() if path.is_dir()):
        folders = sorted(path for path in (root / "artifacts" / kind).iterdir() if path.is_dir())
        size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
        total += size
        table.add_row(kind, f"{len(folders)}", megabytes(size))
        for folder in folders:
            if clear or (verify and _damaged(store, kind, folder.name)):
                with store.claim(kind, folder.name):
                    store.discard(kind, folder.name)
                if not clear:
                    screen.print(f"deleted: {folder} is damaged", style="red", markup=False, soft_wrap=True)
    if unfinished := [path for path in (root / "unfinished").rglob("*") if path.is_file()]:
        size = sum(file.stat().st_size for file in unfinished)
        total += size
        table.add_row("unfinished", f"{len({file.parent for file in unfinished})}", megabytes(size))
        if clear:
            shutil.rmtree(root / "unfinished", ignore_errors=True)
    screen.print(table)
    screen.print(f"\n{root}: {megabytes(total)}" + (", deleted" if clear else ""), markup=False)


def _show_remote(url: str, *, change: bool) -> None:
    """Print how many artifacts are at a URL, by kind of stage, and where the local copies are."""
    from rich.table import Table

    from harness.store.remote import RemoteStore

    if change:
        raise InputError(
            f"Of a store at a URL nothing is deleted or verified: {url}.",
            hint="What is fetched is checked on arrival. To delete, remove the objects below the URL.",
        )
    store = RemoteStore(url, read_only=True)
    table = Table("stage", "artifacts", box=None, header_style="bold", pad_edge=False)
    for kind in store.objects.names("manifests"):
        table.add_row(kind, f"{len(store.objects.names(f'manifests/{kind}'))}")
    console().print(table)
    console().print(f"\n{url}; local copies: {store.root}", markup=False)


def megabytes(size: int) -> str:
    """A size as people say it.

    >>> megabytes(1_500_000)
    '1.5 MB'
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _damaged(store: Store, kind: str, identifier: str) -> bool:
    try:
        store.open(kind, identifier)
    except DamagedArtifactError:
        return True
    return False
