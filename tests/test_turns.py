"""Who has to wait for the next turn of the event loop, and that everybody gets one."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from retouch import _turns
from retouch._tasks import cancel, spawn
from retouch._turns import SMALL_BYTES, TURN_BYTES, Turns, turn, turns
from tests.fakes.bystander import turns_beside


@pytest.fixture
def _no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn is over after its first step."""
    monkeypatch.setattr(_turns, "TURN_SECONDS", -1.0)


@pytest.fixture
def _all_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn is ever over."""
    monkeypatch.setattr(_turns, "TURN_SECONDS", 1e9)


@pytest.mark.usefixtures("_no_time")
async def test_the_rest_waits_in_order_and_goes_on_in_parts() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await turn(TURN_BYTES // 2)
        done.append(number)

    tasks = [spawn(work(number)) for number in range(8)]
    seen = [0]
    while len(done) < 8:
        await asyncio.sleep(0)
        seen.append(len(done))
    assert done == list(range(8))
    steps = [after - before for before, after in itertools.pairwise(seen)]
    # The first does not wait; of those that do, two fit a turn.
    assert [step for step in steps if step] == [1, 2, 2, 2, 1]
    await asyncio.gather(*tasks)


@pytest.mark.usefixtures("_no_time")
async def test_what_is_larger_than_a_turn_gets_one_of_its_own() -> None:
    async with asyncio.timeout(10):
        for _ in range(3):
            await turn(10 * TURN_BYTES)


async def steps(count: int, size: int) -> None:
    for _ in range(count):
        await turn(size)


@pytest.mark.usefixtures("_all_time")
async def test_as_long_as_there_is_time_nobody_waits() -> None:
    assert await turns_beside(steps(20, TURN_BYTES)) == 0


@pytest.mark.usefixtures("_no_time")
async def test_small_steps_never_wait() -> None:
    assert await turns_beside(steps(20, SMALL_BYTES - 1)) == 0
    assert await turns_beside(steps(20, SMALL_BYTES)) >= 19


@pytest.mark.usefixtures("_no_time")
async def test_nobody_waits_for_one_who_left() -> None:
    await turn(TURN_BYTES)
    first, second = spawn(turn(SMALL_BYTES)), spawn(turn(SMALL_BYTES))
    await asyncio.sleep(0)
    await cancel(first)
    async with asyncio.timeout(10):
        await second


@pytest.mark.usefixtures("_all_time")
async def test_who_comes_later_waits_behind() -> None:
    order: list[str] = []
    turns().later(1, lambda: order.append("callback"))
    assert turns().over()
    await turn(SMALL_BYTES)
    order.append("task")
    assert order == ["callback", "task"]


@pytest.mark.parametrize("size", [0, 1, TURN_BYTES])
async def test_a_callback_comes_without_anybody_else(size: int) -> None:
    called = asyncio.Event()
    mine = Turns(asyncio.get_running_loop())
    mine.later(size, called.set)
    assert mine.over()
    assert not called.is_set()
    async with asyncio.timeout(10):
        await called.wait()
    assert not mine.over()


async def test_each_loop_has_its_own() -> None:
    here = turns()
    assert turns() is here

    async def there() -> Turns:
        return turns()

    assert await asyncio.to_thread(asyncio.run, there()) is not here
