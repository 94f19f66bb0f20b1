"""Fair turns: how long work goes on before the event loop looks at everybody else again.

Many large pictures can be ready in the same turn of the loop, a wave of answers for example.
Each takes a millisecond or so of copying; all of them one after the other would hold up every
other request for as long as they take together.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections import deque
from collections.abc import Callable

#: Seconds of work after which large steps wait for the next turn.
TURN_SECONDS = 0.004
#: Of those that wait, one turn takes as many as work on so many bytes: about 2 ms.
TURN_BYTES = 4 * 1024 * 1024
#: Steps on less never wait.
SMALL_BYTES = 64 * 1024
#: What a step costs besides its bytes: the decoding, checking and encoding around them.
STEP_BYTES = 512 * 1024


class Turns:
    """The turns of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._end = 0.0
        self._waiting: deque[tuple[int, Callable[[], object]]] = deque()

    def over(self) -> bool:
        """Whether this turn has had its time, or others have waited longer."""
        if self._waiting:
            return True
        if self._end:
            return time.monotonic() > self._end
        self._begin()
        return False

    def later(self, size: int, call: Callable[[], object]) -> None:
        """Call this, which lets work on ``size`` bytes go on, in a later turn."""
        self._waiting.append((size, call))
        if not self._end:
            self._begin()

    def _begin(self) -> None:
        self._end = time.monotonic() + TURN_SECONDS
        self.loop.call_soon(self._next)

    def _next(self) -> None:
        self._end = 0.0
        room = TURN_BYTES
        while self._waiting and room > 0:
            size, call = self._waiting.popleft()
            room -= size
            call()
        if room < TURN_BYTES:
            self._begin()


class _Thread(threading.local):
    """The turns of the loop that ran last in each thread."""

    turns: Turns | None = None


_thread = _Thread()


def turns() -> Turns:
    """Those of the running loop."""
    loop = asyncio.get_running_loop()
    found = _thread.turns
    if found is None or found.loop is not loop:
        found = _thread.turns = Turns(loop)
    return found


async def turn(size: int) -> None:
    """Wait until work on ``size`` bytes fits into a turn; mostly that is at once."""
    if size < SMALL_BYTES:
        return
    mine = turns()
    if not mine.over():
        return
    come: asyncio.Future[None] = mine.loop.create_future()
    mine.later(size, functools.partial(_wake, come))
    await come


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
