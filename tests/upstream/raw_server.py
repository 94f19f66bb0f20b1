"""A server that says exactly what a test tells it to, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field


@dataclass
class Received:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)


@dataclass
class Connection:
    """One connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: RawServer

    async def head(self) -> Received:
        """The next request without its body."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines[1:] if line]
        received = Received(lines[0], {name.lower(): value.strip() for name, _, value in pairs})
        self.server.requests.append(received)
        return received

    async def request(self) -> Received:
        """The next request with its body, which must have a length."""
        received = await self.head()
        length = int(received.headers.get("content-length", "0"))
        received.body = await self.reader.readexactly(length)
        return received

    async def send(self, data: bytes) -> None:
        """Send these bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes = b"{}", *lines: str, status: str = "200 OK") -> None:
        """A whole answer with these header lines."""
        head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *lines, "", ""]
        await self.send("\r\n".join(head).encode("latin-1") + body)

    def reset(self) -> None:
        """Break the connection with RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Wait until the client has closed its side."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Handler = Callable[[Connection], Awaitable[None]]


class RawServer:
    """The server and what it received."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.connections = 0


@contextlib.asynccontextmanager
async def serving(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Run ``handle`` for every connection; the connection is closed when it returns."""
    server = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handle(Connection(reader, writer, server))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            tasks.discard(task)
            writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
