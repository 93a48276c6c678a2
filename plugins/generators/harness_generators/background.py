"""Asynchronous work for synchronous callers, also where an event loop is running already (a notebook)."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_thread(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function to its end in a loop of its own, in a thread of its own."""

    async def emit_result(emit: Callable[[T], None]) -> None:
        emit(await work())

    (result,) = stream(emit_result)
    return result


def stream(work: Callable[[Callable[[T], None]], Awaitable[None]]) -> Iterator[T]:
    """Run a coroutine function in a thread and yield what it emits, as it emits it.

    What it raises is raised here, after what it emitted before. A caller that stops iterating cancels it.
    """
    results: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        await work(lambda item: results.put(("item", item)))

    task = loop.create_task(main())

    def target() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            results.put(("error", error))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            results.put(("end", None))

    thread = threading.Thread(target=target, name="harness-generators", daemon=True)
    thread.start()
    try:
        while True:
            what, value = results.get()
            if what == "end":
                return
            if what == "error":
                raise value
            yield value
    finally:
        if thread.is_alive():
            with suppress(RuntimeError):  # The loop may close in the meantime.
                loop.call_soon_threadsafe(task.cancel)
            thread.join()
