"""What a returned picture is, from the first kilobytes of its base64 text."""

from __future__ import annotations

import binascii

from retouch import Blob

#: Characters to decode: JPEGs may have a colour profile before their size.
HEAD_CHARS = 64 * 1024
#: JPEG markers that hold the size: all SOF but DHT, JPG and DAC (ITU-T T.81, table B.1).
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def describe(data: str | bytes | memoryview | Blob | None) -> tuple[str | None, str | None]:
    """Format and ``WIDTHxHEIGHT``; ``None`` for what the head does not tell."""
    if not isinstance(data, str | memoryview):
        return None, None
    try:
        head = binascii.a2b_base64(data[: min(HEAD_CHARS, len(data) // 4 * 4)])
    except ValueError:
        return None, None
    for name, mark, size in (
        ("png", b"\x89PNG\r\n\x1a\n", _png_size),
        ("jpeg", b"\xff\xd8\xff", _jpeg_size),
        ("webp", b"RIFF", _webp_size),
    ):
        if head.startswith(mark):
            found = size(head)
            return name, None if found is None else f"{found[0]}x{found[1]}"
    return None, None


def _png_size(head: bytes) -> tuple[int, int] | None:
    if len(head) < 24:
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        if head[at + 1] in _SOF:
            return (
                int.from_bytes(head[at + 7 : at + 9], "big"),
                int.from_bytes(head[at + 5 : at + 7], "big"),
            )
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if len(head) < 30:
        return None
    if kind == b"VP8X":
        return (
            int.from_bytes(head[24:27], "little") + 1,
            int.from_bytes(head[27:30], "little") + 1,
        )
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return (
            int.from_bytes(head[26:28], "little") & 0x3FFF,
            int.from_bytes(head[28:30], "little") & 0x3FFF,
        )
    return None
