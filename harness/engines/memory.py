"""How much memory a piece of work takes: the largest resident size while it runs, not since the process began."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SELF = Path("/proc/self")


@dataclass
class Peak:
    """The largest resident size of this process, in bytes, once the work is done; ``None`` where it is not known."""

    bytes: int | None = None


@contextmanager
def peak_memory(interval: float = 0.02) -> Iterator[Peak]:
    """Measure the largest resident size of this process while the context lasts.

    Linux keeps such a maximum and starts it anew on request (``proc_pid_clear_refs(5)``). Where it does not, a thread looks
    every ``interval`` seconds, and where there is no ``/proc`` nothing is known. Work that runs in the same process at the
    same time counts too.
    """
    peak = Peak()
    if _reset():
        try:
            yield peak
        finally:
            peak.bytes = _status("VmHWM")
        return
    with _sampled(peak, interval):
        yield peak


def _reset() -> bool:
    """Start the maximum that the kernel keeps anew; whether that worked."""
    try:
        (_SELF / "clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return _status("VmHWM") is not None


def _status(name: str) -> int | None:
    """Bytes that the kernel states under ``name`` about this process."""
    try:
        lines = (_SELF / "status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
    except (OSError, StopIteration, IndexError, ValueError):
        return None


@contextmanager
def _sampled(peak: Peak, interval: float) -> Iterator[None]:
    done = threading.Event()

    def look() -> None:
        now = resident(os.getpid())
        if now:
            peak.bytes = max(peak.bytes or 0, now)

    def watch() -> None:
        while not done.wait(interval):
            look()

    look()
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        look()


def resident(pid: int) -> int:
    """Bytes of resident memory of a process; 0 where ``/proc`` is missing or the process has gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
