from __future__ import annotations

import asyncio
import gzip
import inspect
from collections.abc import Iterator

import aiohttp
import pytest

from retouch.errors import (
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from retouch.media.blob import SPOOL_THRESHOLD, Blob, Spool, budget
from retouch.types import UpstreamRequest
from retouch.upstream.body import Base64, Body
from retouch.upstream.client import MAX_ERROR_BYTES, _translated
from tests.upstream.raw_server import Connection, RawServer, serving
from tests.upstream.sending import HANG_SECONDS, answer_of, client, failure_of, post

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

    for handle, wait, expected in ((broken, 5, UpstreamError), (silent, 0.2, UpstreamTimeout)):
        async with serving(handle) as server, client(read_timeout=wait) as out, out.edit() as http:
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
