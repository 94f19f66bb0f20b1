from __future__ import annotations

import asyncio

import pytest

from retouch.upstream.room import Place, Room

#: Never in the course of a test.
PATIENT = 3600.0


async def settled(*waiting: asyncio.Task[Place]) -> list[bool]:
    """Which of them have their place after everything that can happen has happened."""
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in waiting]


async def test_places_are_had_while_there_is_room() -> None:
    room = Room(10, PATIENT)
    first = await room.place(6)
    second = await room.place(4)
    waiting = asyncio.ensure_future(room.place(1))
    assert await settled(waiting) == [False]
    second.leave()
    assert await settled(waiting) == [True]
    first.leave()
    (await waiting).leave()
    assert (await room.place(10)).size == 10


async def test_a_small_one_does_not_overtake() -> None:
    """Or large answers would wait for as long as small ones keep coming."""
    room = Room(10, PATIENT)
    first = await room.place(6)
    large, small = (asyncio.ensure_future(room.place(size)) for size in (8, 1))
    assert await settled(large, small) == [False, False]
    first.leave()
    assert await settled(large, small) == [True, True]


async def test_one_that_is_too_large_gets_all_the_room() -> None:
    room = Room(10, PATIENT)
    small = await room.place(1)
    large, next_one = (asyncio.ensure_future(room.place(size)) for size in (11, 1))
    assert await settled(large, next_one) == [False, False]
    small.leave()
    assert await settled(large, next_one) == [True, False]
    (await large).leave()
    assert await settled(next_one) == [True]


async def test_a_slow_one_counts_only_for_so_long() -> None:
    room = Room(10, patience=0.001)
    slow = await room.place(10)
    room.patience = PATIENT
    async with asyncio.timeout(20):
        await room.place(10)
    # Left by its timer and by its owner, it is given back once.
    slow.leave()
    waiting = asyncio.ensure_future(room.place(10))
    assert await settled(waiting) == [False]
    waiting.cancel()


async def test_leaving_twice_gives_back_once() -> None:
    room = Room(10, PATIENT)
    first = await room.place(5)
    await room.place(5)
    first.leave()
    first.leave()
    await room.place(5)
    waiting = asyncio.ensure_future(room.place(5))
    assert await settled(waiting) == [False]
    waiting.cancel()


@pytest.mark.parametrize("given", [False, True])
async def test_whoever_gives_up_leaves_its_place(given: bool) -> None:
    """While it waits, and in the moment in which it gets what it waited for."""
    room = Room(10, PATIENT)
    first = await room.place(10)
    leaving, waiting = (asyncio.ensure_future(room.place(10)) for _ in range(2))
    assert await settled(leaving, waiting) == [False, False]
    if given:
        first.leave()
    leaving.cancel()
    assert await settled(leaving, waiting) == [True, given]
    assert leaving.cancelled()
    first.leave()
    assert await settled(waiting) == [True]
