"""Server-sent events from a provider, frame by frame while the bytes arrive."""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator

import msgspec

from retouch.errors import UpstreamInvalid

#: A frame holds one picture as base64; this is a 4K PNG several times over.
MAX_FRAME_BYTES = 96 * 1024 * 1024


_BLANK_LINE = re.compile(rb"\n\r?\n")


class Frame(msgspec.Struct, frozen=True):
    """One event: its ``event:`` name (empty if none) and its joined ``data:`` lines."""

    event: str
    data: bytes


async def frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """The frames of an event stream; comments are skipped, a cut last frame is dropped.

    Both line endings of the standard's common use, LF and CRLF, are understood.

    :raises UpstreamInvalid: for a frame above ``MAX_FRAME_BYTES``.
    """
    buffer = bytearray()
    async for chunk in chunks:
        # Only the new bytes, and the three before them, can complete a frame.
        start = max(len(buffer) - 3, 0)
        buffer += chunk
        while (end := _frame_end(buffer, start)) is not None:
            frame = _parse(bytes(buffer[: end[0]]))
            del buffer[: end[1]]
            start = 0
            if frame is not None:
                yield frame
        if len(buffer) > MAX_FRAME_BYTES:
            raise UpstreamInvalid("The provider sent an event larger than this gateway accepts.")


def _frame_end(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Where the first blank line begins and where the next frame starts."""
    found = _BLANK_LINE.search(buffer, start)
    return None if found is None else found.span()


def _parse(text: bytes) -> Frame | None:
    event = ""
    data: list[bytes] = []
    text = text.removeprefix(codecs.BOM_UTF8)
    for line in text.splitlines() if b"\r" in text else text.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
    if not data:
        return None
    return Frame(event, data[0] if len(data) == 1 else b"\n".join(data))
