"""Vega, Vega-Lite and Vega-Embed as one script, out of the package vl-convert-python."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup

VEGA_LITE = "6.4"
"""Version of Vega-Lite that the specifications are written for."""


@cache
def charting() -> Markup:
    """A script that defines ``vegaEmbed``.

    The package takes seconds to bundle it, so that it is kept in the user's cache folder (``$XDG_CACHE_HOME/harness``, by
    default ``~/.cache/harness``), one file per version. A file that is damaged or cannot be read or written costs the seconds
    and nothing else.
    """
    path = _kept_at()
    script = None if path is None else _read(path)
    if script is None:
        from vl_convert import javascript_bundle

        bundle = javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
        script = f"(() => {{{bundle}}})();"
        if path is not None:
            _keep(path, script)
    return Markup(script)  # noqa: S704 - the package is trusted as its code is


def _kept_at() -> Path | None:
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # no home
        return None
    return folder / "harness" / f"vega-lite-{VEGA_LITE}-of-vl-convert-{version('vl-convert-python')}.js"


def _read(path: Path) -> str | None:
    """The script in a file whose first line is its digest, or ``None`` where that does not hold."""
    try:
        digest, _, script = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return script.decode() if digest == _digest(script) else None


def _keep(path: Path, script: str) -> None:
    content = script.encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(_digest(content) + b"\n" + content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
