from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from retouch._tasks import cancel, in_thread, spawn, start_threads


async def test_a_task_is_kept_until_it_ends() -> None:
    """asyncio itself holds only a weak reference: a task may vanish in the middle."""
    go_on, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        done.set()

    reference = weakref.ref(spawn(work()))
    await asyncio.sleep(0)
    gc.collect()
    assert reference() is not None
    go_on.set()
    await done.wait()
    await asyncio.sleep(0)
    gc.collect()
    assert reference() is None


async def test_the_result_of_a_task() -> None:
    async def work() -> int:
        return 5

    assert await spawn(work()) == 5


async def test_cancelling_waits_for_the_cleaning_up() -> None:
    started = asyncio.Event()
    steps = []

    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    task = spawn(work())
    await started.wait()
    await cancel(task)
    assert steps == ["cleaned up"]
    assert task.cancelled()


async def test_cancelling_what_has_ended_changes_nothing() -> None:
    async def work() -> int:
        return 5

    async def fail() -> None:
        raise ValueError("kept for whoever asks")

    task = spawn(work())
    await task
    await cancel(task)
    assert task.result() == 5
    failed = spawn(fail())
    await asyncio.sleep(0)
    await cancel(failed)
    with pytest.raises(ValueError, match="kept"):
        failed.result()


async def test_an_error_while_cleaning_up_is_not_raised_here() -> None:
    started = asyncio.Event()

    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            raise ValueError("while cleaning up")

    task = spawn(work())
    await started.wait()
    await cancel(task)
    assert isinstance(task.exception(), ValueError)


async def test_work_in_a_thread() -> None:
    assert await in_thread(threading.current_thread) is not threading.current_thread()

    def failing() -> None:
        raise OSError(28, "no space")

    with pytest.raises(OSError, match="no space"):
        await in_thread(failing)


async def test_cancelled_work_in_a_thread_is_waited_for() -> None:
    """What it uses is closed afterwards."""
    begun, go_on = threading.Event(), threading.Event()
    ended = []

    def work() -> None:
        begun.set()
        go_on.wait(10)
        ended.append(True)

    task = spawn(in_thread(work))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


def test_started_threads_are_all_there_is() -> None:
    with ThreadPoolExecutor(3, "started") as executor:
        start_threads(executor, 3)
        before = set(threading.enumerate())
        assert sum(thread.name.startswith("started") for thread in before) == 3
        together = threading.Barrier(3)
        for future in [executor.submit(together.wait, 10) for _ in range(3)]:
            future.result()
        assert set(threading.enumerate()) <= before


def test_where_no_more_threads_may_start_nobody_waits_for_them() -> None:
    class Short(ThreadPoolExecutor):
        allowed = 2

        def submit(self, *work: Any, **options: Any) -> Any:
            self.allowed -= 1
            if self.allowed < 0:
                raise RuntimeError("can't start new thread")
            return super().submit(*work, **options)

    # Leaving it joins its threads.
    with Short(3) as executor, pytest.raises(RuntimeError, match="new thread"):
        start_threads(executor, 3)
