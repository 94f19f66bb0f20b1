from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from starlette.types import Message

from retouch.errors import ContentRejected
from retouch.http.edits import while_connected
from retouch.http.intake import ClientLeft


def receiving(leaves: asyncio.Event) -> Any:
    async def receive() -> Message:
        await leaves.wait()
        return {"type": "http.disconnect"}

    return receive


async def sink(message: Message) -> None:
    pass


async def test_work_that_ends_before_the_client_leaves() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def work(send: Any) -> None:
        await send({"type": "http.response.body", "body": b"x"})

    await while_connected(receiving(asyncio.Event()), send, work)
    assert [message["body"] for message in sent] == [b"x"]


async def test_an_error_of_the_work_is_raised() -> None:
    async def work(send: Any) -> None:
        raise ContentRejected

    with pytest.raises(ContentRejected):
        await while_connected(receiving(asyncio.Event()), sink, work)


async def test_the_work_has_cleaned_up_when_the_client_has_left() -> None:
    """The pictures' files are closed right after."""
    leaves = asyncio.Event()
    steps = []

    async def work(send: Any) -> None:
        try:
            leaves.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    with pytest.raises(ClientLeft):
        await while_connected(receiving(leaves), sink, work)
    assert steps == ["cleaned up"]
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_stopping_the_server_is_not_the_client_leaving() -> None:
    started = asyncio.Event()

    async def work(send: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(while_connected(receiving(asyncio.Event()), sink, work))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leaving_after_the_last_byte_is_not_leaving() -> None:
    leaves = asyncio.Event()

    async def work(send: Any) -> None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        leaves.set()
        for _ in range(5):
            await asyncio.sleep(0)

    with contextlib.suppress(ClientLeft):
        await while_connected(receiving(leaves), sink, work)
        return
    raise AssertionError("an answered request counts as left")
