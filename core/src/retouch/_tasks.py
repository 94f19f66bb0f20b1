"""Tasks that cannot be lost, work that ends when the client leaves, threads that have started."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

#: Worker threads of a loop, as many as asyncio would allow itself.
THREADS = min(32, (os.cpu_count() or 1) + 4)

_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start ``work`` and keep a reference until it ends (asyncio itself keeps none)."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task


async def in_thread(work: Callable[[], T]) -> T:
    """The result of ``work``, done in a worker thread; ends when it ends, cancelled or not."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


def start_threads(executor: ThreadPoolExecutor, count: int) -> None:
    """Start ``count`` threads now, all that ``executor`` may have.

    By itself it starts one when there is work for it, and whoever brings the work waits until
    the thread runs: on a busy machine that held up the event loop for 80 ms.

    :raises RuntimeError: when the system allows no more threads.
    """
    everybody = threading.Barrier(count + 1)
    try:
        for _ in range(count):
            executor.submit(everybody.wait)
    except RuntimeError:
        # Those that did start would wait for the others for ever, and the program for them.
        everybody.abort()
        raise
    everybody.wait()


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel ``task`` and wait until it has cleaned up."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
