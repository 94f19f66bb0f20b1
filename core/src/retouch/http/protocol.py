"""uvicorn's httptools protocol, made fit for large bodies and for one error shape.

Three differences. What is not HTTP is refused in OpenAI's shape, like everything else. And a
body is handed on in the pieces in which it was read: uvicorn appends every piece to one
array, copies the array for the application and stops reading at 64 KiB, which costs three
copies and two system calls for each piece of an upload. And once the head of a request with
a Content-Length was parsed, the rest of its body does not pass through the parser, which would
copy it once more.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from retouch.errors import GatewayError, HeadersTooLarge, InvalidRequest

#: Unread bytes of one body at which the socket is left alone until they are taken.
HIGH_WATER = 1024 * 1024
#: Above these a request head is refused with 431 (limits of common load balancers).
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024


class GatewayProtocol(HttpToolsProtocol):
    """One connection. Only hooks that uvicorn's own subclasses use are overridden."""

    #: Bytes of a body of known length that are still to come, and whether they go around the
    #: parser.
    _left = 0
    _beside = False

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
        self._left = 0
        for name, value in self.headers:
            if name == b"content-length":
                self._left = int(value)

    def on_message_complete(self) -> None:
        """The parser has seen the end of the request."""
        self._left = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes from the socket. The rest of a body of known length goes around the parser."""
        if self._beside and data:
            data = self._body_received(data)
            if not data:
                return
        super().data_received(data)
        # The parser has judged the head and seen the beginning of the body; what follows has
        # nothing to be parsed, and it would only copy it.
        self._beside = self._left > 0 and not self.transport.is_closing()

    def eof_received(self) -> None:
        """The client closed its side: it has left.

        Closing would first flush what was written, to a client that may have stopped reading,
        and the edit would go on for nobody until then.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()

    def _body_received(self, data: bytes) -> bytes:
        """Take what belongs to the body; returns what follows it."""
        self._unset_keepalive_if_required()
        mine = data if len(data) <= self._left else data[: self._left]
        self.on_body(mine)
        if self._left:
            return b""
        # The parser still waits for this body, so the next request gets a fresh one.
        self._beside = False
        self.parser = httptools.HttpRequestParser(self)
        super().on_message_complete()
        return data[len(mine) :]

    def on_body(self, body: bytes) -> None:
        """A piece of the body, kept as it is."""
        cycle = self.cycle
        self._left -= len(body)
        if cycle.response_complete:
            return
        pieces: Any = cycle.body
        if not isinstance(pieces, _Pieces):
            pieces = cycle.body = _Pieces()  # type: ignore[assignment]
        pieces.append(body)
        if len(pieces) > HIGH_WATER:
            self.flow.pause_reading()
        cycle.message_event.set()

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


class _Pieces:
    """Takes the place of uvicorn's ``bytearray``: grows by reference, joined only if need be."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def append(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
