from __future__ import annotations

import asyncio
import contextlib
import gzip
import inspect
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import msgspec
import pytest

from retouch.config import LimitsConfig
from retouch.errors import (
    GatewayError,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from retouch.media.blob import SPOOL_THRESHOLD, Blob, Spool, budget
from retouch.types import UpstreamRequest, UpstreamResponse
from retouch.upstream.body import Base64, Body
from retouch.upstream.client import MAX_ERROR_BYTES, Client, _translated
from tests.upstream.raw_server import Connection, Handler, RawServer, serving

HANG_SECONDS = 10
LIMITS = LimitsConfig(max_response_bytes=100_000, read_timeout=5)
BODY = Body((b'{"a":', b"1}"), "application/json")


def post(url: str, *, body: Body = BODY, stream: bool = False, **headers: str) -> UpstreamRequest:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return UpstreamRequest(method="POST", url=url, headers=sent, body=body, stream=stream)


@contextlib.asynccontextmanager
async def client(**limits: Any) -> AsyncIterator[Client]:
    made = Client(msgspec.structs.replace(LIMITS, **limits), "retouch/9.9")
    try:
        yield made
    finally:
        await made.close()


async def answer_of(handle: Handler, *, body: Body = BODY, **limits: Any) -> UpstreamResponse:
    """What one request to this server brings."""
    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(handle) as server,
        client(**limits) as out,
        out.edit() as http,
    ):
        return await http.send(post(f"{server.url}/v1", body=body))


async def failure_of(handle: Handler, *, body: Body = BODY, **limits: Any) -> GatewayError:
    """The error of one request to this server; it must have been sent once at most."""
    sent = 0

    async def counted(connection: Connection) -> None:
        nonlocal sent
        sent += 1
        await handle(connection)

    with pytest.raises(GatewayError) as failed:
        await answer_of(counted, body=body, **limits)
    assert sent == 1
    return failed.value


# --- the table of failures ---------------------------------------------------------------

#: What aiohttp may raise: ours, and whether it is safe to repeat (nothing was sent).
TABLE: dict[str, tuple[type[UpstreamError], bool]] = {
    "ClientError": (UpstreamError, False),
    "ClientResponseError": (UpstreamInvalid, False),
    "ContentTypeError": (UpstreamInvalid, False),
    "WSServerHandshakeError": (UpstreamInvalid, False),
    "ClientHttpProxyError": (UpstreamInvalid, False),
    "TooManyRedirects": (UpstreamInvalid, False),
    "ClientConnectionError": (UpstreamError, False),
    "ClientConnectionResetError": (UpstreamError, False),
    "ClientOSError": (UpstreamError, False),
    "ClientConnectorError": (UpstreamUnreachable, True),
    "ClientConnectorDNSError": (UpstreamUnreachable, True),
    "ClientConnectorSSLError": (UpstreamUnreachable, True),
    "ClientConnectorCertificateError": (UpstreamUnreachable, True),
    "ClientProxyConnectionError": (UpstreamUnreachable, True),
    "ClientSSLError": (UpstreamUnreachable, True),
    "UnixClientConnectorError": (UpstreamUnreachable, True),
    "ServerConnectionError": (UpstreamError, False),
    "ServerDisconnectedError": (UpstreamError, False),
    "ServerFingerprintMismatch": (UpstreamUnreachable, True),
    "ServerTimeoutError": (UpstreamTimeout, False),
    "ConnectionTimeoutError": (UpstreamUnreachable, True),
    "SocketTimeoutError": (UpstreamTimeout, False),
    "ClientPayloadError": (UpstreamError, False),
    "UploadAbortedError": (UpstreamError, False),
    "InvalidURL": (UpstreamUnreachable, True),
    "InvalidUrlClientError": (UpstreamUnreachable, True),
    "NonHttpUrlClientError": (UpstreamError, False),
    "RedirectClientError": (UpstreamError, False),
    "InvalidUrlRedirectClientError": (UpstreamError, False),
    "NonHttpUrlRedirectClientError": (UpstreamError, False),
}


def foreign() -> Iterator[type[aiohttp.ClientError]]:
    for module in (aiohttp, aiohttp.client_exceptions):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, aiohttp.ClientError):
                yield kind


def test_every_error_of_aiohttp_is_in_the_table() -> None:
    """A new one has to be looked at: may the edit have run, or may it be sent again?"""
    assert {kind.__name__ for kind in foreign()} == set(TABLE)


FOREIGN: list[type[aiohttp.ClientError]] = sorted(set(foreign()), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", FOREIGN)
def test_errors_of_aiohttp(kind: type[aiohttp.ClientError]) -> None:
    expected, repeatable = TABLE[kind.__name__]
    ours = _translated(kind.__new__(kind))
    assert type(ours) is expected
    assert ours.retry is repeatable


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), UpstreamTimeout),
        (ConnectionResetError(), UpstreamError),
        (BrokenPipeError(), UpstreamError),
        (OSError(28, "no space"), UpstreamError),
    ],
)
def test_errors_of_the_system(error: OSError, expected: type[UpstreamError]) -> None:
    assert type(_translated(error)) is expected


# --- what goes out -----------------------------------------------------------------------


async def test_a_request_arrives_as_it_was_said() -> None:
    seen: list[RawServer] = []

    async def handle(connection: Connection) -> None:
        seen.append(connection.server)
        await connection.request()
        await connection.answer(b"ok", "X-Request-ID: r", "X-Twice: a", "X-Twice: b")

    async with serving(handle) as server, client() as out, out.edit() as http:
        target = f"{server.url}/a%2Fb/c%20d?x=%C3%A9&y=1+2"
        got = await http.send(post(target, Authorization="Bearer k", X_Custom="v"))
    (request,) = seen[0].requests
    assert request.line == "POST /a%2Fb/c%20d?x=%C3%A9&y=1+2 HTTP/1.1"
    assert request.body == b'{"a":1}'
    expected = {
        "authorization": "Bearer k",
        "x-custom": "v",
        "content-type": "application/json",
        "content-length": "7",
        "user-agent": "retouch/9.9",
        "accept-encoding": "identity",
    }
    assert expected.items() <= request.headers.items()
    assert set(request.headers) - set(expected) == {"host", "accept"}
    assert (got.status, got.body) == (200, b"ok")
    assert got.headers["x-request-id"] == "r"


async def test_a_request_without_a_body() -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer()

    async with serving(handle) as server, client() as out, out.edit() as http:
        await http.send(UpstreamRequest(method="GET", url=server.url))
    (request,) = server.requests
    assert request.line == "GET / HTTP/1.1"
    assert "content-type" not in request.headers


async def test_a_body_of_segments_arrives_whole_and_twice_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "limit", 0)
    with Spool() as spool:
        writer = spool.writer()
        data = bytes(range(256)) * (SPOOL_THRESHOLD // 256 + 3)
        writer.write(data)
        spooled = spool.finish(writer)
        assert "on disk" in repr(spooled)
        body = Body((b"<", spooled, b"|", Base64(Blob(b"abcd"), "data:"), memoryview(b">")), "x/y")

        async def handle(connection: Connection) -> None:
            for _ in range(2):
                await connection.request()
                await connection.answer()

        async with serving(handle) as server, client() as out, out.edit() as http:
            await http.send(post(server.url, body=body))
            await http.send(post(server.url, body=body))
    expected = b"<" + data + b"|data:YWJjZA==>"
    assert [request.body for request in server.requests] == [expected, expected]
    assert server.connections == 1
    assert server.requests[0].headers["content-length"] == str(len(expected))
    assert "transfer-encoding" not in server.requests[0].headers


async def test_cookies_are_not_kept() -> None:
    async def handle(connection: Connection) -> None:
        for _ in range(2):
            await connection.request()
            await connection.answer(b"", "Set-Cookie: a=b; Path=/")

    async with serving(handle) as server, client() as out, out.edit() as http:
        # aiohttp itself keeps cookies of names only, not of addresses.
        url = server.url.replace("127.0.0.1", "localhost")
        await http.send(post(url))
        await http.send(post(url))
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


async def test_proxy_variables_are_ignored(
    monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("NETRC", "/dev/null")

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer(b"ok")

    assert (await answer_of(handle)).body == b"ok"


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    """Following it would carry the provider's key to another origin."""

    async def elsewhere(connection: Connection) -> None:
        await connection.request()
        await connection.answer(b"caught")

    async with serving(elsewhere) as other, client() as out, out.edit() as http:
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):

            async def handle(connection: Connection, status: str = status) -> None:
                await connection.request()
                await connection.answer(b"", f"Location: {other.url}/", status=status)

            async with serving(handle) as server:
                got = await http.send(post(server.url, api_key="secret"))
            assert got.status == int(status[:3])
    assert other.requests == []


# --- what comes back ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["400 Bad", "404 Not Found", "429 Slow", "500 Oops", "503 Busy"])
async def test_every_status_is_an_answer(status: str) -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer(b'{"error":{}}', status=status)

    got = await answer_of(handle)
    assert (got.status, got.body) == (int(status[:3]), b'{"error":{}}')


async def test_a_compressed_answer_is_not_unpacked() -> None:
    """It was not asked for, and a small one may unpack to gigabytes."""
    packed = gzip.compress(b"x" * 10_000_000)

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer(packed, "Content-Encoding: gzip")

    assert (await answer_of(handle)).body == packed


@pytest.mark.parametrize("framing", ["length", "chunks", "close"])
async def test_an_answer_beyond_the_limit(framing: str) -> None:
    stopped = asyncio.Event()

    async def handle(connection: Connection) -> None:
        await connection.request()
        lines = {
            "length": f"content-length: {1 << 40}\r\n",
            "chunks": "transfer-encoding: chunked\r\n",
        }
        await connection.send(b"HTTP/1.1 200 OK\r\n" + lines.get(framing, "").encode() + b"\r\n")
        piece = bytes(65536)
        if framing == "chunks":
            piece = b"10000\r\n" + piece + b"\r\n"
        try:
            while True:
                await connection.send(piece)
        finally:
            stopped.set()

    error = await failure_of(handle)
    assert type(error) is UpstreamInvalid
    assert error.retry is False
    assert stopped.is_set()


async def test_an_answer_of_exactly_the_limit() -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer(bytes(100_000))

    assert len((await answer_of(handle)).body) == 100_000


async def test_of_a_long_error_only_the_beginning_is_read() -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer(bytes(5_000_000), status="500 Oops")

    got = await answer_of(handle)
    assert got.status == 500
    assert len(got.body) == MAX_ERROR_BYTES


# --- how it fails ------------------------------------------------------------------------


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


# --- streams -----------------------------------------------------------------------------

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n"


async def test_a_stream_is_handed_on_unread() -> None:
    go_on, left = asyncio.Event(), asyncio.Event()

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(STREAM + b"data: 1\n\n")
        await go_on.wait()
        await connection.send(b"data: 2\n\n")
        await connection.closed()
        left.set()

    async with asyncio.timeout(HANG_SECONDS), serving(handle) as server, client() as out:
        async with out.edit() as http:
            got = await http.send(post(server.url, stream=True))
            assert (got.status, got.body) == (200, b"")
            assert got.stream is not None
            assert await anext(got.stream) == b"data: 1\n\n"
            go_on.set()
            assert await anext(got.stream) == b"data: 2\n\n"
        # Leaving the edit cuts what was not read, so that the provider can stop.
        await left.wait()


@pytest.mark.parametrize(
    ("stream", "head"),
    [
        (False, STREAM),
        (True, STREAM.replace(b"200 OK", b"400 Bad")),
        (True, STREAM.replace(b"text/event-stream", b"application/json")),
        (True, b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=["not asked for", "an error", "another type", "no type"],
)
async def test_everything_else_is_read_whole(stream: bool, head: bytes) -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(head + b"data: 1\n\n")

    async with serving(handle) as server, client() as out, out.edit() as http:
        got = await http.send(post(server.url, stream=stream))
    assert got.stream is None
    assert got.body == b"data: 1\n\n"


async def test_a_stream_that_breaks_or_falls_silent() -> None:
    async def broken(connection: Connection) -> None:
        await connection.request()
        head = STREAM.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n")
        await connection.send(head + b"3\r\n: x\r\n")

    async def silent(connection: Connection) -> None:
        await connection.request()
        await connection.send(STREAM + b": x")
        await connection.closed()

    for handle, expected in ((broken, UpstreamError), (silent, UpstreamTimeout)):
        async with serving(handle) as server, client(read_timeout=0.1) as out, out.edit() as http:
            got = await http.send(post(server.url, stream=True))
            assert got.stream is not None
            with pytest.raises(UpstreamError) as failed:
                async for _ in got.stream:
                    pass
        assert type(failed.value) is expected
        assert failed.value.retry is False


async def test_leaving_an_edit_ends_a_request_without_an_answer() -> None:
    arrived, left = asyncio.Event(), asyncio.Event()

    async def handle(connection: Connection) -> None:
        await connection.request()
        arrived.set()
        await connection.closed()
        left.set()

    async with asyncio.timeout(HANG_SECONDS), serving(handle) as server, client() as out:

        async def edit() -> None:
            async with out.edit() as http:
                await http.send(post(server.url))

        task = asyncio.ensure_future(edit())
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


async def test_the_time_that_remains() -> None:
    async with client(total_timeout=100) as out, out.edit() as http:
        first = http.remaining
        await asyncio.sleep(0.01)
        assert 0 < http.remaining < first <= 100
    async with client(total_timeout=1e-6) as out, out.edit() as http:
        await asyncio.sleep(0.001)
        assert http.remaining == 0
