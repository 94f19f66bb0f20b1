"""Fair turns: how much is done before the event loop looks at everybody else again.

Many large pictures can be ready in the same turn of the loop, a wave of answers for example.
Each takes a millisecond or so of copying; all of them one after the other would hold up every
other request for as long as they take together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

#: Bytes that are read, checked or sent in one turn, about 2 ms of work.
TURN_BYTES = 4 * 1024 * 1024
#: What a step costs besides its bytes: the decoding, checking and encoding around them.
STEP_BYTES = 512 * 1024


class Turns:
    """The turns of one event loop.

    :param limit: bytes after which the rest has to wait for the next turn.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = TURN_BYTES) -> None:
        self._loop = loop
        self._limit = limit
        self._spent = 0
        self._waiting: deque[tuple[int, Callable[[], object]]] = deque()

    @property
    def over(self) -> bool:
        """Whether this turn has had its share of work, or others have waited longer."""
        return self._spent >= self._limit or bool(self._waiting)

    def spend(self, size: int) -> None:
        """Work on ``size`` bytes is done in this turn."""
        if not self._spent:
            self._loop.call_soon(self._next)
        self._spent += size

    def later(self, size: int, call: Callable[[], object]) -> None:
        """Call this, which works on ``size`` bytes, in the next turn that has room for it."""
        self._waiting.append((size, call))
        if not self._spent:
            self.spend(1)

    def _next(self) -> None:
        self._spent = 0
        while self._waiting and self._spent < self._limit:
            size, call = self._waiting.popleft()
            self.spend(max(size, 1))
            call()


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns() -> Turns:
    """Those of the running loop."""
    loop = asyncio.get_running_loop()
    found = _turns.get(loop)
    if found is None:
        found = _turns[loop] = Turns(loop)
    return found


async def turn(size: int) -> None:
    """Wait until work on ``size`` bytes fits into a turn; mostly that is at once."""
    mine = turns()
    if not mine.over:
        mine.spend(size)
        return
    come = asyncio.Event()
    mine.later(size, come.set)
    await come.wait()
