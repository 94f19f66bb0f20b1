"""uvicorn's httptools protocol, made fit for large bodies and for one error shape.

Three differences. What is not HTTP is refused in OpenAI's shape, like everything else. Once the
head of a request with a Content-Length was parsed, the rest of its body goes around the parser,
from the socket into large pieces: the parser would copy it, and uvicorn would append it to one
array and copy that for the application. And while a piece waits for the application, nothing
more is read, so that no two pieces have to be joined.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from retouch._direct import Borrower, Filling
from retouch.errors import GatewayError, HeadersTooLarge, InvalidRequest
from retouch.media.blob import Budget

#: A body of known length comes in pieces of this size, or of ``SMALL_PIECE_BYTES`` when all
#: connections together hold more than ``PIECES`` allows.
PIECE_BYTES = 1024 * 1024
SMALL_PIECE_BYTES = 128 * 1024
PIECES = Budget(8 * 1024 * 1024)
#: Less than this is not worth the way around the parser.
MIN_REST_BYTES = 128 * 1024
#: Above these a request head is refused with 431 (limits of common load balancers).
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024


class GatewayProtocol(HttpToolsProtocol):
    """One connection. Only hooks that uvicorn's own subclasses use are overridden."""

    #: Whether the body has a known length, and how many bytes of it are still to come.
    _sized = False
    _left = 0

    def on_message_begin(self) -> None:
        """A new request: count its head afresh."""
        super().on_message_begin()
        self._head_bytes = 0
        self._refusal: GatewayError = InvalidRequest("This is not a valid HTTP request.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; a head that grows beyond the limits is answered at once."""
        self._head_bytes += len(name) + len(value) + 4
        if len(self.headers) >= MAX_HEADERS or self._head_bytes > MAX_HEADER_BYTES:
            self._refusal = HeadersTooLarge()
            raise self._refusal
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: the length of the body is known, or it comes in chunks."""
        super().on_headers_complete()
        self._sized, self._left = False, 0
        for name, value in self.headers:
            if name == b"content-length":
                self._sized, self._left = True, int(value)

    def on_message_complete(self) -> None:
        """The parser has seen the end of the request."""
        self._left = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes from the socket, but for the rest of a large body of known length."""
        super().data_received(data)
        if self._left >= MIN_REST_BYTES and not self.transport.is_closing():
            _Rest(self.transport, self, self._left)

    def eof_received(self) -> None:
        """The client closed its side: it has left.

        Closing would first flush what was written, to a client that may have stopped reading,
        and the edit would go on for nobody until then.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """A piece of the body, kept as it is."""
        cycle = self.cycle
        self._left = max(0, self._left - len(body))
        if cycle.response_complete:
            # Nobody will take it, and nobody else would read on.
            self.flow.resume_reading()
            return
        if not cycle.body:
            cycle.body = body  # type: ignore[assignment]  # the application gets bytes of it
        else:
            cycle.body = bytearray(cycle.body)
            cycle.body += body
        if self._left or not self._sized:
            # Until it is taken; ``receive`` reads on.
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_rest(self, body: bytes) -> None:
        """A piece of the body that did not pass through the parser."""
        self._unset_keepalive_if_required()
        self.on_body(body)
        if not self._left:
            # The parser still waits for this body, so the next request gets a fresh one.
            self.parser = httptools.HttpRequestParser(self)
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read, and close."""
        error = getattr(self, "_refusal", None) or InvalidRequest(msg)
        body = msgspec.json.encode(error.to_dict())
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


class _Rest(Borrower):
    """Has the connection for the rest of a body, and hands it on piece by piece."""

    def __init__(self, transport: asyncio.Transport, owner: GatewayProtocol, left: int) -> None:
        super().__init__(transport, owner)
        self._protocol = owner
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._filling: Filling | None = None
        #: Whether it counts in ``PIECES``.
        self._large = False

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        if self._filling is None:
            # Where others wait for their turn, what is read would wait as well.
            self._large = not self._turns.over() and PIECES.take(PIECE_BYTES)
            size = PIECE_BYTES if self._large else SMALL_PIECE_BYTES
            self._filling = Filling(min(self._left, size))
        return self._filling.room()

    def buffer_updated(self, nbytes: int) -> None:
        """They are there."""
        filling = self._filling
        assert filling is not None  # noqa: S101  the buffer was asked for
        filling.filled += nbytes
        self._left -= nbytes
        if filling.filled < filling.size:
            self.read_on()
        else:
            self._filling = None
            # The transport holds the buffer as long as this callback runs.
            self._protocol.flow.pause_reading()
            self._loop.call_soon(self._hand_on, filling)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        self._release()
        super().connection_lost(exc)

    def _release(self) -> None:
        if self._large:
            self._large = False
            PIECES.give(PIECE_BYTES)

    def _hand_on(self, filling: Filling) -> None:
        self._release()
        if not self._left:
            self.give_back()
        self._protocol.on_rest(filling.taken())
