"""Room for answers: how many bytes of them are read at the same time, as long as nobody is slow.

Answers can come in a wave. Read side by side each has its room from its beginning until the last
one is through; a few at a time are through as soon, and need the room of a few.
"""

from __future__ import annotations

import asyncio
from collections import deque

#: Bytes of answers that are read and translated at the same time.
ROOM_BYTES = 16 * 1024 * 1024
#: Seconds for which an answer counts at most: a slow provider does not hold up the others.
PATIENCE_SECONDS = 0.1


class Room:
    """The room of one event loop: places are had in the order in which they were asked for.

    :param size: in bytes; what is larger gets its place when it has the room for itself.
    :param patience: seconds after which a place counts as free.
    """

    def __init__(self, size: int = ROOM_BYTES, patience: float = PATIENCE_SECONDS) -> None:
        self._size = size
        self._used = 0
        self._waiting: deque[Place] = deque()
        self.patience = patience

    async def place(self, size: int) -> Place:
        """Wait for a place of ``size`` bytes; whoever has it should leave it."""
        place = Place(self, size)
        self._waiting.append(place)
        self._admit()
        try:
            await place.had
        except asyncio.CancelledError:
            place.leave()
            raise
        return place

    def _admit(self) -> None:
        while self._waiting and (
            not self._used or self._used + self._waiting[0].size <= self._size
        ):
            place = self._waiting.popleft()
            self._used += place.size
            place.have()

    def leave(self, place: Place) -> None:
        """The place is free, or no longer waited for."""
        if place in self._waiting:
            self._waiting.remove(place)
        else:
            self._used -= place.size
        self._admit()


class Place:
    """One answer's place; ``had`` is done once it has it."""

    def __init__(self, room: Room, size: int) -> None:
        self.size = size
        self._loop = asyncio.get_running_loop()
        self.had: asyncio.Future[None] = self._loop.create_future()
        self._room: Room | None = room
        self._timer: asyncio.TimerHandle | None = None

    def have(self) -> None:
        """It counts from now on."""
        assert self._room is not None  # noqa: S101  it waits
        self._timer = self._loop.call_later(self._room.patience, self.leave)
        if not self.had.done():
            self.had.set_result(None)

    def leave(self) -> None:
        """It does not count any more; safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
        room, self._room = self._room, None
        if room is not None:
            room.leave(self)
