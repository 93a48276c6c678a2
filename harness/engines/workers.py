"""Worker processes: each computes one stage at a time and tells what happens through a pipe.

A worker is started with a fresh interpreter (``spawn``), so that no lock or thread of the driver is copied into it, in a
process group of its own, so that Ctrl-C reaches the driver alone and whatever the worker starts ends with it. It ends by
itself as soon as the driver has gone.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from harness.engines.base import StageError, info
from harness.engines.threads import in_environment
from harness.engines.work import compute_stage
from harness.errors import InputError
from harness.observers.hooks import StageInfo
from harness.quiet import logged_by
from harness.stages.base import PartsWanted, Stage
from harness.store.store import Store

NAME = "harness-worker"
UNGUARDED = 76
"""Exit code of a worker that came upon a run while it imported the main module."""

ELSEWHERE = "Only what an importable module defines reaches other processes; --jobs 1 (jobs=1) needs none."
Message = tuple[str, Any]
"""``ready``; ``report``: hook, stage, arguments; ``log``: logger, level, line; ``done``: an error, parts
that are wanted, or ``None``; ``stopped``."""


def refuse_in_bootstrap() -> None:
    """End a process that imports its parent's main module and is about to start workers of its own.

    Raises:
        InputError: The process was not started by the harness.
    """
    process = multiprocessing.current_process()
    if not getattr(process, "_inheriting", False):
        return
    if process.name.startswith(NAME):
        raise SystemExit(UNGUARDED)  # the driver says why, once
    raise unguarded()


def unguarded() -> InputError:
    """What a script is told that runs a suite when it is imported."""
    return InputError(
        "Worker processes import the main script, and this one runs a suite when it is imported.",
        hint="Put the call of harness.run under `if __name__ == '__main__':`, or use jobs=1.",
    )


def serve(connection: Connection, printed: Connection, store: Store) -> None:
    """What a worker process does: compute the stages that arrive, until there is nobody to send any."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_driver, daemon=True).start()
    for stream in (sys.stdout, sys.stderr):
        os.dup2(printed.fileno(), stream.fileno())
    lock = threading.Lock()

    def tell(kind: str, content: Any = None) -> None:
        with lock:
            connection.send((kind, content))

    def report(hook: str, stage: StageInfo, **arguments: Any) -> None:
        tell("report", (hook, stage, arguments))

    with logged_by(_Sent(tell)):
        tell("ready")
        while True:
            seen, payload = connection.recv()
            try:
                tell("done", computed_from(seen, payload, store, report))
            except KeyboardInterrupt:
                tell("stopped")
            for stream in (sys.stdout, sys.stderr):
                stream.flush()


def computed_from(seen: StageInfo, payload: bytes, store: Store, report: Any) -> StageError | PartsWanted | None:
    """Compute a pickled stage; why that failed, if it did, or which parts have to be there before."""
    try:
        stage = pickle.loads(payload)  # noqa: S301 - from the process that started this one
    except Exception as error:  # noqa: BLE001 - whatever importing a component raises
        failure = StageError(
            seen, f"no worker can load it: {type(error).__name__}: {error}", hint=ELSEWHERE, exit_code=2
        )
        report("stage_failed", seen, error=failure)
        return failure
    try:
        found = compute_stage(stage, store, report)
    except StageError as error:
        return error
    return found if isinstance(found, PartsWanted) else None


class _Sent(logging.Handler):
    """Sends what is logged to the driver, whose log it goes to."""

    def __init__(self, tell: Any) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._tell("log", (record.name, record.levelno, self.format(record)))
        except (OSError, ValueError, TypeError):
            self.handleError(record)


def _end_with_driver() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os.killpg(0, signal.SIGKILL)


class Worker:
    """The driver's side of one worker process.

    Args:
        store: Where inputs are and artifacts go.
        threads: Number of threads that stages compute with.
        gpu: The one GPU that it sees, as ``CUDA_VISIBLE_DEVICES`` names it; ``None`` leaves it what the driver sees.

    Attributes:
        ready: Whether it has started.
        stage: What it computes.
    """

    def __init__(self, store: Store, threads: int, gpu: str | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._printed, out = context.Pipe(duplex=False)
        self._theirs = (theirs, out)
        self._process = context.Process(target=serve, args=(theirs, out, store), name=NAME)
        self._threads, self.gpu = threads, gpu
        self.ready = False
        self.stage: Stage[Any] | None = None

    def start(self) -> None:
        """Start the process."""
        with in_environment(self._threads, self.gpu), _ctrl_c_later():
            self._process.start()
            for end in self._theirs:
                end.close()

    def give(self, stage: Stage[Any]) -> StageError | None:
        """Have a stage computed; gives the error of one that cannot be sent."""
        try:
            payload = pickle.dumps(stage)
        except Exception as error:  # noqa: BLE001 - whatever a component raises when it is pickled
            reason = f"it cannot be sent to a worker: {type(error).__name__}: {error}"
            return StageError(info(stage), reason, hint=ELSEWHERE, exit_code=2)
        self.stage = stage
        with suppress(OSError):  # it has died: the next look tells
            self._connection.send((info(stage), payload))
        return None

    def watched(self) -> list[Any]:
        """What becomes ready when there is something to read, or the process has ended."""
        return [self._connection, self._process.sentinel, *([] if self._printed.closed else [self._printed])]

    def messages(self) -> Iterator[Message]:
        """What it has sent so far; what it has printed goes to the log."""
        while not self._printed.closed and self._printed.poll():
            text = os.read(self._printed.fileno(), 65536)
            if not text:
                self._printed.close()
            elif line := text.decode(errors="replace").strip():
                logging.getLogger(NAME).warning("printed: %s", line)
        try:
            while self._connection.poll():
                yield self._connection.recv()
        except (EOFError, OSError):
            return

    def ended(self) -> str | None:
        """How the process ended (``SIGKILL``, ``exit code 1``); ``None`` while it lives."""
        code = self.exit_code
        if code is None:
            return None
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    @property
    def exit_code(self) -> int | None:
        """Minus the number of the signal that ended the process, or its exit code; ``None`` while it lives."""
        return self._process.exitcode

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid or 0

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        if self._process.pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """Let go of the pipes of a process that has ended."""
        for end in (self._connection, self._printed, *self._theirs):
            end.close()


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold SIGINT back, here and in a process that is started, which unblocks it once it knows what to do with it."""
    resource_tracker.ensure_running()  # which would let it through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
