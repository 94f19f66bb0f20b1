"""Who has to wait for the next turn of the event loop, and that everybody gets one."""

from __future__ import annotations

import asyncio

import pytest

from retouch._tasks import cancel, spawn
from retouch._turns import TURN_BYTES, Turns, turn, turns


async def test_a_turn_has_room_for_so_much_and_the_rest_waits_in_order() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await turn(TURN_BYTES // 2)
        done.append(number)

    tasks = [spawn(work(number)) for number in range(7)]
    seen = []
    while len(done) < 7:
        await asyncio.sleep(0)
        seen.append(len(done))
    assert done == list(range(7))
    # Never more than two in one turn of the loop.
    assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) == 2
    await asyncio.gather(*tasks)


async def test_what_is_larger_than_a_turn_gets_one_of_its_own() -> None:
    async with asyncio.timeout(10):
        for _ in range(3):
            await turn(10 * TURN_BYTES)


async def test_a_turn_that_has_room_costs_none() -> None:
    passed = 0

    async def other() -> None:
        nonlocal passed
        while True:
            await asyncio.sleep(0)
            passed += 1

    beside = spawn(other())
    await asyncio.sleep(0)
    for _ in range(8):
        await turn(TURN_BYTES // 8)
    assert passed == 0
    await cancel(beside)


async def test_nobody_waits_for_one_who_left() -> None:
    await turn(TURN_BYTES)
    first, second = spawn(turn(1)), spawn(turn(1))
    await asyncio.sleep(0)
    await cancel(first)
    async with asyncio.timeout(10):
        await second


async def test_who_comes_later_waits_behind() -> None:
    await turn(TURN_BYTES)
    order: list[str] = []
    mine = turns()
    mine.later(1, lambda: order.append("callback"))
    assert mine.over
    await turn(1)
    order.append("task")
    assert order == ["callback", "task"]


@pytest.mark.parametrize("size", [0, 1, TURN_BYTES])
async def test_a_callback_comes_without_anybody_else(size: int) -> None:
    called = asyncio.Event()
    mine = Turns(asyncio.get_running_loop())
    mine.later(size, called.set)
    assert not called.is_set()
    async with asyncio.timeout(10):
        await called.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not mine.over


async def test_each_loop_has_its_own() -> None:
    here = turns()
    assert turns() is here

    async def there() -> Turns:
        return turns()

    assert await asyncio.to_thread(asyncio.run, there()) is not here
