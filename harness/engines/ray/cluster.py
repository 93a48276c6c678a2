"""Reaching a Ray cluster, or starting one on this machine; what goes wrong with it in words."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, InputError

CONNECT = 3.0
"""Seconds within which something has to listen at an address."""

LOST = 10.0
"""Seconds without the head node from which on it is lost. Ray itself would end this process after a minute."""


@dataclass
class Cluster:
    """A cluster that this process is connected to.

    Attributes:
        head: Host and port of the head node's service.
        cpus: Processors of the largest node.
        memory: Bytes of memory for tasks on the largest node.
        gpus: GPUs in the cluster.
        slots: Processors of all nodes.
        ours: Whether this process started it, and ends it.
    """

    head: tuple[str, int]
    cpus: int
    memory: int
    gpus: int
    slots: int
    ours: bool
    _heard: float = field(default_factory=time.monotonic)
    _asked: float = 0.0

    def check(self) -> None:
        """Look about once a second whether the head node is there.

        Raises:
            HarnessError: It has not been for a while.
        """
        now = time.monotonic()
        if now < self._asked + 1:
            return
        self._asked = now
        if listens(self.head, 1):
            self._heard = time.monotonic()
        elif time.monotonic() > self._heard + LOST:
            raise lost(self.head)


def lost(head: tuple[str, int]) -> HarnessError:
    """The message when the head node has gone."""
    return HarnessError(
        f"The head node of the Ray cluster at {head[0]}:{head[1]} does not answer any more.",
        hint="Finished stages are kept: start the cluster again; the same command goes on.",
    )


def listens(place: tuple[str, int], seconds: float) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection(place, timeout=seconds).close()
    except OSError:
        return False
    return True


@contextmanager
def connected(address: str | None) -> Iterator[Cluster]:
    """Be connected to the cluster at ``address``; without one, to that of ``RAY_ADDRESS``, or to one started here.

    A connection that this process has already is used, and left as it is.

    Raises:
        InputError: Ray is not installed, or nothing that fits is at the address.
    """
    ray = imported()
    ours = not ray.is_initialized()
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if ours:
        refuse_silence(address)
        _start(ray, address)
    try:
        yield _described(ray, ours=ours and address == "local")
    finally:
        if ours:
            _leave(ray)


def _show_token() -> None:
    """Have Ray show a cluster the user's token, if there is one; it reads whether to do so when it is imported.

    ``ray start`` asks for the token of whoever has one, without being told to; a driver has to be told.
    """
    kept = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    if os.environ.get("RAY_AUTH_TOKEN") or Path(kept).is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def imported() -> Any:
    """The library.

    Raises:
        InputError: It is not installed.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _show_token()
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "The engine 'ray' needs the package 'ray', which is not installed.",
            hint="Install it with `pip install 'bliss-harness[ray]'`.",
        ) from error
    return ray


def refuse_silence(address: str) -> None:
    """Raise :class:`~harness.errors.InputError` where nothing listens: Ray would try for a long time."""
    if address in {"local", "auto"}:
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"{address!r} is no address of a Ray cluster; expected HOST:PORT, such as 10.0.0.1:6379.")
    if address.startswith("ray://"):
        raise InputError(
            f"{address!r} is the address of a Ray client; run the harness on a machine of the cluster.",
            hint="There, --address auto finds it.",
        )
    if not listens((host, int(port)), CONNECT):
        raise InputError(
            f"Nothing listens at {address}, where --address says that a Ray cluster is.",
            hint="`ray start --head` prints the address of a cluster; without --address, Ray is started on this machine.",
        )


def _start(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"num_cpus": len(os.sched_getaffinity(0))} if address == "local" else {}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.FATAL,
            include_dashboard=False if address == "local" else None,
            **options,
        )
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"The Ray cluster at {address!r} cannot be used: {reason[0]}",
            hint="Ray and Python have to be of the same versions on all machines, and this one has to have the cluster's token "
            "if it asks for one (~/.ray/auth_token, or RAY_AUTH_TOKEN).",
        ) from error


def _leave(ray: Any) -> None:
    with suppress(Exception):  # it hears no SIGTERM, for which Ray gives it a second
        for monitor in ray._private.worker._global_node.all_processes.get("monitor", []):
            monitor.process.kill()
    with suppress(Exception):
        ray.shutdown()


def _described(ray: Any, *, ours: bool) -> Cluster:
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return Cluster(
        (host, int(port)),
        max(int(node.get("CPU", 0)) for node in resources),
        max(int(node.get("memory", 0)) for node in resources),
        sum(int(node.get("GPU", 0)) for node in resources),
        sum(int(node.get("CPU", 0)) for node in resources),
        ours,
    )
