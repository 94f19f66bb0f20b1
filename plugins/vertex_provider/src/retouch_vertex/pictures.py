"""What a returned picture is, from the beginning of its base64 text.

Google's own ``mimeType`` is not asked: the bytes decide.
"""

from __future__ import annotations

import base64
from typing import Literal

Format = Literal["png", "jpeg", "webp"]

#: So much of a JPEG is searched for its size; Google puts its notes of origin before it.
_HEAD_CHARS = 256 * 1024
#: Of a JPEG's segments and fill bytes so many are looked at.
_MAX_STEPS = 1024
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


def format_of(data: str | memoryview) -> Format | None:
    """The format by its first bytes; ``None`` for one that is not known here.

    :param data: base64 text.
    """
    head = _head(data, 24)
    if head.startswith(_PNG):
        return "png"
    if head.startswith(_JPEG):
        return "jpeg"
    return "webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def size_of(data: str | memoryview) -> str | None:
    """``WIDTHxHEIGHT`` in stored pixels, of a PNG or JPEG; ``None`` where it is not found."""
    kind = format_of(data)
    if kind == "png":
        head = _head(data, 32)
        if len(head) < 24:
            return None
        width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        return f"{width}x{height}"
    return _jpeg_size(_head(data, _HEAD_CHARS)) if kind == "jpeg" else None


def _jpeg_size(head: bytes) -> str | None:
    """From the frame header, ITU-T T.81 annex B: marker, length, precision, height, width."""
    at = 2
    for _ in range(_MAX_STEPS):
        if at + 9 > len(head) or head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(head[at + 5 : at + 7], "big")
            return f"{int.from_bytes(head[at + 7 : at + 9], 'big')}x{height}"
        # A fill byte stands for itself; any other segment says how long it is.
        at += 1 if marker == 0xFF else 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def _head(data: str | memoryview, chars: int) -> bytes:
    """The first bytes; ``chars`` is a multiple of four, so nothing is cut within a triple."""
    start = data[:chars]
    try:
        return base64.b64decode(start.encode() if isinstance(start, str) else bytes(start))
    except ValueError:
        return b""
