"""Standard output and error as they are: an encoding without our signs, a pipe that is closed, a full device."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys

PLAIN = {
    "·": "-",
    "−": "-",
    "–": "-",
    "—": "-",
    "±": "~",
    "∆": "d",
    "Δ": "d",
    "τ": "t",
    "†": "*",
    "…": ".",
    "✓": "+",
    "✗": "x",
    "×": "x",
    "≥": ">",
    "≤": "<",
    "↓": "v",
    "↑": "^",
    "→": ">",
    "“": '"',
    "”": '"',
    "’": "'",
}
"""What stands for our signs where the output's encoding lacks them: one character each, so that tables stay aligned."""

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF})
"""Errors of a stream that cannot be written to, other than a closed pipe."""


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error("harness.plain", _plain)


def tolerate_encodings() -> None:
    """Let standard output and error print :data:`PLAIN` signs, and ``?``, for what their encodings do not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="harness.plain")


def silence(stream: object) -> None:
    """Give a stream that cannot be written to nowhere to go, so that the interpreter's last flush says nothing."""
    if isinstance(stream, io.TextIOWrapper):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
