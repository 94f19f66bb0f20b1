"""An upstream that holds every answer back until all edits of a wave are in.

Real providers work for half a minute, so the pictures of all edits under way are in the
gateway at the same time, and the answers can come together. Only used where memory is
measured, where its own CPU does not matter.

usage: holding_upstream.py PORT WAVE ANSWER_FILE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

#: A wave that stays incomplete is answered after this long without a new edit.
QUIET_SECONDS = 0.7


class Wave:
    """The connections that wait for their answer."""

    def __init__(self, size: int, answer: bytes) -> None:
        self._size = size
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}"
        self._answer = head.encode() + b"\r\n\r\n" + answer
        self._waiting: list[asyncio.Transport] = []
        self._timer: asyncio.TimerHandle | None = None

    def join(self, transport: asyncio.Transport) -> None:
        """A complete request came in on ``transport``."""
        self._waiting.append(transport)
        if self._timer is not None:
            self._timer.cancel()
        if len(self._waiting) >= self._size:
            self.release()
        else:
            self._timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self.release)

    def release(self) -> None:
        """Answer everybody at once."""
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            transport.write(self._answer)


class Connection(asyncio.Protocol):
    """Counts the bytes of each request and throws them away."""

    def __init__(self, wave: Wave) -> None:
        self._wave = wave
        self._head = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the head, then count down its Content-Length."""
        if not self._missing:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if head.startswith(b"GET"):
                self._head = b""
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                return
            fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
            self._missing, self._head, data = int(fields[b"content-length"]), b"", rest
        self._missing -= len(data)
        if not self._missing:
            self._wave.join(self._transport)


async def main(port: int, wave: Wave) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(wave), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Wave(int(sys.argv[2]), Path(sys.argv[3]).read_bytes())))
