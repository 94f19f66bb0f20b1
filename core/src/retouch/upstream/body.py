"""Request bodies for providers: a sequence of segments, of known length, sendable twice.

A segment is ``bytes``, a ``Blob`` or ``Base64(blob)``. Nothing is joined: the sixteen
pictures of an edit go from their spool files to the socket in pieces, and a second attempt
sends the very same bytes.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pybase64

from retouch.media.blob import CHUNK_SIZE, Blob

#: Boundaries and placeholders derive from this, so that no client can guess and inject one,
#: while the same input still makes the same body.
_PROCESS_KEY = secrets.token_bytes(32)
#: Base64 turns three bytes into four characters; whole triples need no padding in between.
_BASE64_CHUNK = CHUNK_SIZE // 3 * 3
#: Bodies up to this size are written to a socket in one piece.
JOINED_BYTES = 256 * 1024


class Base64:
    """The base64 text of a blob, encoded piece by piece while it is sent.

    :param prefix: put before it, for example ``data:image/png;base64,``.
    """

    __slots__ = ("blob", "prefix")

    def __init__(self, blob: Blob, prefix: str = "") -> None:
        self.blob = blob
        self.prefix = prefix

    @property
    def size(self) -> int:
        """Length of the text in bytes."""
        return len(self.prefix) + (self.blob.size + 2) // 3 * 4

    def chunks(self) -> Iterator[bytes]:
        """The text in order, in pieces."""
        if self.prefix:
            yield self.prefix.encode()
        for offset in range(0, self.blob.size, _BASE64_CHUNK):
            yield pybase64.b64encode(self.blob.read(offset, _BASE64_CHUNK))


class JsonText:
    """Text that stands between quotes in a JSON body as it is: base64, already encoded."""

    __slots__ = ("text",)

    def __init__(self, text: bytes | memoryview) -> None:
        self.text = text


Segment = bytes | memoryview | Blob | Base64


class Body(msgspec.Struct, frozen=True):
    """What an upstream request carries: segments and the content type that describes them."""

    segments: tuple[Segment, ...] = ()
    content_type: str | None = None

    @property
    def size(self) -> int:
        """The Content-Length in bytes."""
        return sum(len(s) if isinstance(s, bytes | memoryview) else s.size for s in self.segments)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The body in order, in pieces; can be called again for a second attempt."""
        for segment in self.segments:
            if isinstance(segment, bytes | memoryview):
                yield segment
            else:
                yield from segment.chunks()

    def writes(self) -> Iterator[bytes | memoryview]:
        """The body in order, to be written to a socket: a small one at once.

        A write costs more than the copy of so few bytes.
        """
        if self.size <= JOINED_BYTES:
            yield b"".join(self.chunks())
        else:
            yield from self.chunks()

    def sha256(self) -> str:
        """The hex digest of the whole body, as request signatures need it."""
        digest = hashlib.sha256()
        for piece in self.chunks():
            digest.update(piece)
        return digest.hexdigest()


class FilePart(msgspec.Struct, frozen=True):
    """One file of a multipart form. ``filename`` must come from us, never from the client."""

    name: str
    filename: str
    content_type: str
    blob: Blob


def multipart_body(fields: Iterable[tuple[str, str]], files: Iterable[FilePart]) -> Body:
    """A ``multipart/form-data`` body: the text fields first, then the files, in order."""
    fields, files = list(fields), list(files)
    boundary = _token("boundary", *(text for pair in fields for text in pair))
    segments: list[Segment] = []
    head = bytearray()
    for name, value in fields:
        disposition = f'form-data; name="{_quote(name)}"'
        head += f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        head += value.encode() + b"\r\n"
    for file in files:
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_quote(file.name)}"; '
            f'filename="{_quote(file.filename)}"\r\nContent-Type: {file.content_type}\r\n\r\n'
        ).encode()
        segments += [bytes(head), file.blob]
        head = bytearray(b"\r\n")
    segments.append(bytes(head) + f"--{boundary}--\r\n".encode())
    return Body(tuple(segments), f"multipart/form-data; boundary={boundary}")


def json_body(value: Any) -> Body:
    """A JSON body. ``Base64`` and ``JsonText`` anywhere inside become strings, uncopied."""
    found: list[Base64 | memoryview | bytes] = []
    token = _token("placeholder")

    def placeholder(item: Any) -> str:
        if isinstance(item, JsonText):
            found.append(item.text)
        elif isinstance(item, Base64):
            found.append(item)
        else:
            raise NotImplementedError
        return token

    # The encoder meets the values in the order in which it writes them.
    pieces = msgspec.json.encode(value, enc_hook=placeholder).split(token.encode())
    segments: list[Segment] = [pieces[0]]
    for item, piece in zip(found, pieces[1:], strict=True):
        segments += [item, piece]
    return Body(tuple(segments), "application/json")


def _token(*parts: str) -> str:
    digest = hashlib.blake2b(key=_PROCESS_KEY, digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part.encode())
    return f"retouch-{digest.hexdigest()}"


def _quote(text: str) -> str:
    """Percent-encode what would end a quoted name, as browsers and the OpenAI SDKs do."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
