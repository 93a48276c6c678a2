"""Claims: who is computing an artifact. They only save work; what is published is right without them.

A claim is a small file that says which process holds it. The holder touches it every few seconds. Whoever waits sees that it
changes, and measures on a clock of its own for how long it has not, so that machines whose clocks differ agree. On the
holder's machine it is known at once whether its process lives.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

BEAT = 10.0
"""Seconds between the signs of life of a holder."""

EXPIRY = 150.0
"""Seconds without one after which a holder on another machine has died. Network file systems may show one a minute late."""


@cache
def machine() -> str:
    """What processes have in common that see each other's numbers: host, boot, namespace."""
    found = [platform.node()]
    with suppress(OSError):
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        found.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(found)


def born(pid: int) -> str:
    """When a process began, in the kernel's units; empty where it is not known or has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]  # one that has ended and waits for its parent to notice
    except (OSError, IndexError):
        return ""


def gone(host: str, pid: int, birth: str) -> bool | None:
    """Whether a process has ended; ``None`` where that cannot be seen from here."""
    if host != machine():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return None
    return bool(birth) and born(pid) != birth


class _Heart(threading.Thread):
    """Touches the claims that this process holds."""

    def __init__(self) -> None:
        super().__init__(name="harness-claims", daemon=True)
        self.held: set[Path] = set()

    def run(self) -> None:
        while True:
            time.sleep(BEAT)
            for path in list(self.held):
                with suppress(OSError):
                    os.utime(path)


_hearts: dict[int, _Heart] = {}  # by process, so that a forked one has its own


def _heart() -> _Heart:
    if (heart := _hearts.get(os.getpid())) is None:
        heart = _hearts[os.getpid()] = _Heart()
        heart.start()
    return heart


class _Watch:
    """One waiter's view of somebody's claim."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._since = time.monotonic()

    def dead(self) -> bool:
        """Whether its holder has died: at once on its machine, after :data:`EXPIRY` elsewhere. One that is gone is not dead."""
        try:
            status = self._path.stat()
            text = self._path.read_text(encoding="utf-8")
        except OSError:
            return False
        beat = (status.st_mtime_ns, status.st_ino)
        if beat != self._seen:
            self._seen, self._since = beat, time.monotonic()
        try:
            found = json.loads(text)
            ended = gone(str(found["host"]), int(found["pid"]), str(found["born"]))
        except (ValueError, KeyError, TypeError):  # being written, or by somebody who died
            ended = None
        return time.monotonic() - self._since > EXPIRY if ended is None else ended


def is_dead(path: Path) -> bool:
    """Whether a claim's holder is known to have died, at the first look."""
    return _Watch(path).dead()


@contextmanager
def claimed(path: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a claim, waiting while somebody who lives holds it.

    Args:
        path: The claim's file.
        on_wait: Called once when there is something to wait for.

    Raises:
        OSError: The file cannot be made.
    """
    nonce = secrets.token_hex(8)
    holder = {"host": machine(), "pid": os.getpid(), "born": born(os.getpid()), "nonce": nonce}
    watch, pause, told = _Watch(path), 0.02, False
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            if watch.dead():
                with suppress(OSError):
                    path.rename(path.with_name(f"{path.name}.{nonce}"))  # one of those who wait, as a rule
                    path.with_name(f"{path.name}.{nonce}").unlink()
                continue
            if on_wait is not None and not told:
                told = True
                on_wait()
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)
        else:
            break
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(holder, stream)
    heart = _heart()
    heart.held.add(path)
    try:
        yield
    finally:
        heart.held.discard(path)
        with suppress(OSError, ValueError, KeyError, TypeError):
            if json.loads(path.read_text(encoding="utf-8"))["nonce"] == nonce:  # nobody has taken it over
                path.unlink()
