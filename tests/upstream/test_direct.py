"""Answers of known length, read around the parser, plain and over TLS."""

from __future__ import annotations

import asyncio
import datetime
import functools
import gc
import ipaddress
import ssl
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from retouch.errors import UpstreamError, UpstreamTimeout
from retouch.upstream.body import Body
from retouch.upstream.client import Client
from retouch.upstream.direct import HEAD_BUFFER, MIN_DIRECT_BYTES
from retouch.upstream.room import Room
from tests.upstream.raw_server import Connection, serving
from tests.upstream.sending import HANG_SECONDS, client, post

#: No two places of it look alike, so that nothing can be lost, doubled or moved unseen.
BODY = b"".join(number.to_bytes(4, "big") for number in range(800_000))
LIMITS: dict[str, Any] = {"max_response_bytes": 100_000_000}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signed itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


async def exchange(
    handle: Callable[[Connection], Awaitable[None]],
    count: int,
    tls: ssl.SSLContext | None = None,
    body: Body | None = None,
) -> tuple[list[bytes], int]:
    """The bodies of so many requests, one after the other, and the connections they took."""
    bodies = []
    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(handle, tls) as server,
        client(**LIMITS) as out,
    ):
        for _ in range(count):
            async with out.edit() as http:
                request = post(server.url) if body is None else post(server.url, body=body)
                bodies.append(bytes((await http.send(request)).body))
            # What came too much, if anything, comes now.
            await asyncio.sleep(0.01)
        return bodies, server.connections


async def answers(connection: Connection) -> None:
    while True:
        await connection.request()
        await connection.answer(BODY)


SIZES = [MIN_DIRECT_BYTES - 1, MIN_DIRECT_BYTES, 4 * HEAD_BUFFER, 1_000_000, len(BODY)]


@pytest.mark.parametrize("size", SIZES)
async def test_answers_of_any_size_share_a_connection(size: int) -> None:
    async def handle(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.answer(BODY[:size])

    assert await exchange(handle, 3) == ([BODY[:size]] * 3, 1)


@pytest.mark.parametrize("first", [0, 1, 2 * HEAD_BUFFER, 1_000_000, len(BODY) - 1])
async def test_however_much_comes_with_the_head(first: int) -> None:
    async def handle(connection: Connection) -> None:
        while True:
            await connection.request()
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY)
            await connection.send(head + BODY[:first])
            await asyncio.sleep(0.02)
            await connection.send(BODY[first : first + 100_000])
            await asyncio.sleep(0.02)
            await connection.send(BODY[first + 100_000 :])

    assert await exchange(handle, 2) == ([BODY] * 2, 1)


async def test_an_answer_that_was_read_is_kept_by_nobody() -> None:
    """While its connection stays open for the next one."""
    async with serving(answers) as server, client(**LIMITS) as out:
        tracemalloc.start()
        try:
            async with out.edit() as http:
                got = await http.send(post(server.url))
            assert tracemalloc.get_traced_memory()[0] > len(BODY)
            del got, http
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < len(BODY) // 4
        finally:
            tracemalloc.stop()
        assert server.connections == 1


async def test_answers_take_turns_when_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is read when the edit of the first is over."""
    monkeypatch.setattr("retouch.upstream.client.Room", functools.partial(Room, len(BODY), 3600))
    answered = asyncio.Semaphore(0)

    async def handle(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY))
            answered.release()
            await connection.send(BODY)

    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(handle) as server,
        client(**LIMITS) as out,
        out.edit() as second,
    ):
        async with out.edit() as first:
            assert (await first.send(post(server.url))).body == BODY
            await answered.acquire()
            waiting = asyncio.ensure_future(second.send(post(server.url)))
            await answered.acquire()
            await asyncio.sleep(0.05)
            assert not waiting.done()
        assert (await waiting).body == BODY


async def test_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate)
    theirs = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", theirs)
    assert await exchange(answers, 3, ours) == ([BODY] * 3, 1)


async def test_a_connection_that_says_more_is_not_used_again() -> None:
    """What follows an answer would be taken for the next one."""

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer(BODY)
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")
        await connection.closed()

    assert await exchange(handle, 2) == ([BODY] * 2, 2)


async def test_a_provider_that_closes_after_its_answer() -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.answer(BODY, "connection: close")

    assert await exchange(handle, 2) == ([BODY] * 2, 2)


@pytest.mark.parametrize("how", ["closed", "reset", "silent"])
async def test_an_answer_that_breaks_off(how: str) -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY)
        await connection.send(head + BODY[:-1])
        if how == "reset":
            # Not before everything was read: a reset drops what was not.
            await asyncio.sleep(0.1)
            connection.reset()
        elif how == "silent":
            await connection.closed()

    wait = 0.2 if how == "silent" else 5
    async with serving(handle) as server, client(**LIMITS, read_timeout=wait) as out:
        with pytest.raises(UpstreamError) as failed:
            async with out.edit() as http:
                await http.send(post(server.url))
        assert type(failed.value) is (UpstreamTimeout if how == "silent" else UpstreamError)
        assert failed.value.retry is False
        assert server.connections == 1


async def test_an_answer_may_take_longer_than_the_read_timeout() -> None:
    """It counts from byte to byte, not from the first to the last."""

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY))
        for start in range(0, len(BODY), len(BODY) // 10):
            await asyncio.sleep(0.2)
            await connection.send(BODY[start : start + len(BODY) // 10])

    limits = LIMITS | {"read_timeout": 1.5}
    async with serving(handle) as server, client(**limits) as out, out.edit() as http:
        assert (await http.send(post(server.url))).body == BODY


async def test_an_answer_that_comes_before_the_request_was_sent() -> None:
    """The sender waits for room and must hear of it while the answer is read."""

    async def handle(connection: Connection) -> None:
        length = int((await connection.head()).headers["content-length"])
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY))
        await connection.send(BODY[:100_000])
        await connection.reader.readexactly(length)
        await connection.send(BODY[100_000:])
        await connection.closed()

    large = Body((bytes(20_000_000),) * 2, "text/plain")
    bodies, _ = await exchange(handle, 1, body=large)
    assert bodies == [BODY]


async def test_leaving_an_edit_closes_the_connection() -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY))
        await connection.send(BODY[:-1])
        begun.set()
        await connection.closed()
        left.set()

    async with asyncio.timeout(HANG_SECONDS), serving(handle) as server, client(**LIMITS) as out:

        async def edit() -> None:
            async with out.edit() as http:
                await http.send(post(server.url))

        task = asyncio.ensure_future(edit())
        await begun.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


async def test_many_answers_at_once() -> None:
    """They take turns, and each comes whole."""

    async def edit(out: Client, url: str) -> bytes:
        async with out.edit() as http:
            return (await http.send(post(url))).body

    async with asyncio.timeout(HANG_SECONDS), serving(answers) as server, client(**LIMITS) as out:
        bodies = await asyncio.gather(*(edit(out, server.url) for _ in range(12)))
        assert server.connections == 12
    assert all(body == BODY for body in bodies)
