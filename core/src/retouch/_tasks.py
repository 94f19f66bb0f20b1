"""Tasks that cannot be lost, and work that ends when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

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


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel ``task`` and wait until it has cleaned up."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
