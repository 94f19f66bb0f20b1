"""uvicorn's httptools protocol, made fit for large bodies and for one error shape.

Two differences. What is not HTTP is refused in OpenAI's shape, like everything else. And a
body is handed on in the pieces in which it was read: uvicorn appends every piece to one
array, copies the array for the application and stops reading at 64 KiB, which costs three
copies and two system calls for each piece of an upload.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

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

    def on_body(self, body: bytes) -> None:
        """A piece of the body, kept as it is."""
        cycle = self.cycle
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
