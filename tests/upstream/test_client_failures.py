from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from retouch.errors import (
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from retouch.upstream.body import Body
from tests.upstream.raw_server import Connection, Handler, serving
from tests.upstream.sending import HANG_SECONDS, answer_of, client, failure_of, post


async def test_nobody_listens(closed_port: int) -> None:
    async with client() as out, out.edit() as http:
        with pytest.raises(UpstreamUnreachable) as failed:
            await http.send(post(f"http://127.0.0.1:{closed_port}/"))
    assert failed.value.retry is True
    assert str(closed_port) not in failed.value.message


async def test_a_server_that_does_not_speak_tls(closed_port: int) -> None:
    async def handle(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(handle) as server, client() as out, out.edit() as http:
        with pytest.raises(UpstreamUnreachable):
            await http.send(post(server.url.replace("http:", "https:")))


async def test_nobody_accepts() -> None:
    """The backlog of a listener that never accepts is full, so that connecting takes forever."""
    async with contextlib.AsyncExitStack() as stack:
        listener = socket.socket()
        stack.callback(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(3):
            waiting = socket.socket()
            stack.callback(waiting.close)
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(address)
        out = await stack.enter_async_context(client(connect_timeout=0.2))
        http = await stack.enter_async_context(out.edit())
        with pytest.raises(UpstreamUnreachable) as failed:
            await http.send(post("http://{}:{}/".format(*address)))
    assert failed.value.retry is True


async def closes_at_once(connection: Connection) -> None:
    await connection.reader.readexactly(1)


async def closes_after_the_request(connection: Connection) -> None:
    await connection.request()


async def resets_after_the_request(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def closes_in_the_head(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-le")


async def closes_in_the_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")


async def resets_in_the_body(connection: Connection) -> None:
    await closes_in_the_body(connection)
    connection.reset()


async def closes_in_a_chunk(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{")


async def closes_between_chunks(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n")


async def sends_a_bad_chunk(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\nZZ\r\n")
    await connection.closed()


BREAKS = (
    closes_at_once,
    closes_after_the_request,
    resets_after_the_request,
    closes_in_the_head,
    closes_in_the_body,
    resets_in_the_body,
    closes_in_a_chunk,
    closes_between_chunks,
    sends_a_bad_chunk,
)


@pytest.mark.parametrize("handle", BREAKS, ids=lambda handle: handle.__name__)
async def test_connections_that_break(handle: Handler) -> None:
    """The edit may have run: whatever the break, it is neither repeated nor to be repeated."""
    error = await failure_of(handle)
    assert isinstance(error, UpstreamError)
    assert (error.status, error.retry) == (502, False)
    assert error.message in (UpstreamError.default_message, UpstreamInvalid.default_message)


NOT_HTTP: dict[str, bytes] = {
    "nothing like it": b"hello world\r\n\r\n",
    "a mail server": b"220 mail.test ESMTP\r\n",
    "a bad version": b"HTTP/9 200 OK\r\n\r\n",
    "a bad status": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "a long header": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000 + b"\r\n",
    "binary": bytes(range(256)) * 10,
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_answers_that_are_not_http(data: bytes) -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)
        await connection.closed()

    error = await failure_of(handle)
    assert type(error) is UpstreamInvalid
    assert (error.status, error.retry) == (502, False)
    assert error.message == UpstreamInvalid.default_message


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
async def test_an_answer_that_does_not_come(begun: bytes) -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(begun)
        await connection.closed()

    error = await failure_of(handle, read_timeout=0.1)
    assert type(error) is UpstreamTimeout
    assert (error.status, error.retry) == (504, False)


async def test_many_hints_before_the_answer() -> None:
    """Either the answer behind them, or an error that forbids a repetition."""

    async def handle(connection: Connection) -> None:
        await connection.request()
        for _ in range(100):
            await connection.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 100)
        await connection.answer(b"behind")

    try:
        assert (await answer_of(handle)).body == b"behind"
    except UpstreamError as error:
        assert error.retry is False  # noqa: PT017 - which of the two is aiohttp's choice


async def test_a_connection_that_died_while_it_was_kept() -> None:
    """It cannot be told whether the request on it arrived, so it is not sent again."""
    closing = asyncio.Event()

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer(b"one")
        await closing.wait()
        connection.reset()

    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(handle) as server,
        client() as out,
        out.edit() as http,
    ):
        assert (await http.send(post(server.url))).body == b"one"
        closing.set()
        with pytest.raises(UpstreamError) as failed:
            await http.send(post(server.url))
    assert failed.value.retry is False
    assert len(server.requests) == 1


async def test_a_refusal_before_the_body_was_sent() -> None:
    """A provider that refuses by the head alone closes while we are still sending."""

    async def handle(connection: Connection) -> None:
        await connection.head()
        await connection.answer(b"too large", "connection: close", status="413 Too Large")

    body = Body((bytes(30_000_000),), "application/octet-stream")
    try:
        got = await answer_of(handle, body=body)
        assert (got.status, got.body) == (413, b"too large")
    except UpstreamError as error:
        assert error.retry is False  # noqa: PT017 - which of the two is a race on the wire
