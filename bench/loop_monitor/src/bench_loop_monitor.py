"""A cross-cutting retouch plugin that records how late the event loop runs.

From the first edit on, a timer marks every point of a fixed grid of ``INTERVAL`` seconds with
how late the loop got to it. A stall of 50 ms therefore counts at all the points it covered,
as it would for requests that arrive at random, and not just once.

The samples go to ``$BENCH_LOOP_MONITOR/<pid>``: the monotonic time of the first point as one
double, then two floats per point: how many seconds late, and for how many of them the loop's
own thread was working (at most all of them; the rest it waited for a processor).
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from retouch import hookimpl

#: Seconds between two points; the file's readers rely on it.
INTERVAL = 0.002
FLUSH_SECONDS = 0.5


class Monitor:
    """Marks the grid on the loop that it is made on, until the process ends."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = path.open("wb", buffering=0)
        self._samples = array("f")
        self._worked = time.thread_time()
        self._due = time.monotonic()
        self._file.write(struct.pack("d", self._due))
        self._tick()

    def _tick(self) -> None:
        now, worked = time.monotonic(), time.thread_time()
        while self._due <= now:
            late = now - self._due
            self._samples.extend((late, min(late, worked - self._worked)))
            self._due += INTERVAL
        self._worked = worked
        if len(self._samples) * INTERVAL >= 2 * FLUSH_SECONDS:
            self._file.write(self._samples.tobytes())
            del self._samples[:]
        self._loop.call_later(self._due - now, self._tick)


_monitors: list[Monitor] = []


@hookimpl
def around_edit() -> AbstractAsyncContextManager[None]:
    """Start the monitor of this process with its first edit."""
    return _monitored()


@asynccontextmanager
async def _monitored() -> AsyncIterator[None]:
    if not _monitors:
        _monitors.append(Monitor(Path(os.environ["BENCH_LOOP_MONITOR"]) / str(os.getpid())))
    yield
