"""multipart/form-data, read and written by hand so that it shares nothing with the program.

Strict on purpose (RFC 7578 and 2046): no preamble, no epilogue, CRLF everywhere, and a body
that does not end in its final boundary is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser

BOUNDARY = "----a-boundary-of-the-tests"


class FormError(Exception):
    """The body is no well-formed form."""


@dataclass(frozen=True)
class Part:
    """One part of a form; ``filename`` is what makes it a file."""

    name: str
    data: bytes = field(repr=False)
    filename: str | None = None
    content_type: str | None = None

    @property
    def sha256(self) -> str:
        """The hex digest of the content."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        """Length of the content in bytes."""
        return len(self.data)

    @property
    def text(self) -> str:
        """The content as text."""
        return self.data.decode()


def parse(body: bytes, content_type: str) -> list[Part]:
    """The parts of ``body`` in order; raises ``FormError`` for anything out of the ordinary."""
    boundary = _header(f"content-type: {content_type}").get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 70:
        raise FormError("no usable boundary")
    dashes = b"--" + boundary.encode()
    start, end = dashes + b"\r\n", b"\r\n" + dashes + b"--\r\n"
    if not body.startswith(start):
        raise FormError("the body does not begin with its boundary")
    if not body.endswith(end):
        raise FormError("the body does not end with its final boundary")
    return [_part(piece) for piece in body[len(start) : -len(end)].split(b"\r\n" + start)]


def encode(*parts: Part, boundary: str = BOUNDARY) -> tuple[bytes, str]:
    """A body made of ``parts`` and its content type."""
    body = b""
    for part in parts:
        head = f'Content-Disposition: form-data; name="{part.name}"'
        if part.filename is not None:
            head += f'; filename="{part.filename}"'
        if part.content_type is not None:
            head += f"\r\nContent-Type: {part.content_type}"
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode() + part.data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def text(name: str, value: str) -> Part:
    """A text field."""
    return Part(name, value.encode())


def file(
    name: str, data: bytes, filename: str = "upload", content_type: str = "application/octet-stream"
) -> Part:
    """A file field; nameless and typeless, as most clients send one."""
    return Part(name, data, filename, content_type)


def _part(piece: bytes) -> Part:
    head, separator, data = piece.partition(b"\r\n\r\n")
    if not separator:
        raise FormError("a part has no end of its headers")
    headers = _header(head.decode())
    name = headers.get_param("name", header="content-disposition")
    filename = headers.get_param("filename", header="content-disposition")
    if not isinstance(name, str) or not name:
        raise FormError("a part has no name")
    return Part(
        name, data, filename if isinstance(filename, str) else None, headers.get("content-type")
    )


def _header(lines: str) -> Message:
    return HeaderParser().parsestr(lines)
