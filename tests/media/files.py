"""Pictures built byte by byte from the specifications, with no imaging library."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from retouch import Blob

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def photo(name: str) -> Blob:
    return Blob((PHOTOS / name).read_bytes())


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def ihdr(
    width: int, height: int, *, depth: int = 8, colour: int = RGB_ALPHA, interlace: int = 0
) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def idat(rows: list[bytes]) -> bytes:
    """Rows as they are stored, each without a filter."""
    return chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))


def png(
    width: int,
    height: int,
    rows: list[bytes],
    *,
    depth: int = 8,
    colour: int = RGB_ALPHA,
    interlace: int = 0,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG; ``before`` and ``after`` are whole chunks around the pixel data."""
    header = ihdr(width, height, depth=depth, colour=colour, interlace=interlace)
    return SIGNATURE + header + before + idat(rows) + after + chunk(b"IEND")


def rgba(*rows: list[tuple[int, int, int, int]]) -> bytes:
    """A PNG from rows of (red, green, blue, alpha)."""
    return png(len(rows[0]), len(rows), [bytes(sum(row, ())) for row in rows])


def alpha_only(*rows: list[int]) -> bytes:
    """A mask PNG from rows of alpha, its colours all different from black and white."""
    return rgba(*[[(90, 120, 150, alpha) for alpha in row] for row in rows])


def grey_of(blob: Blob) -> list[list[int]]:
    """The rows of an 8-bit grey PNG, unpacked as PNG says and with no library but zlib."""
    width, height, depth, colour, rows = stored_rows(blob)
    assert (depth, colour) == (8, GREY)
    assert all(len(row) == width for row in rows)
    assert len(rows) == height
    return [list(row) for row in rows]


def stored_rows(blob: Blob) -> tuple[int, int, int, int, list[bytes]]:
    """Width, height, depth, colour type and unfiltered rows of a PNG of 8-bit channels."""
    data, place, pixels = blob.read(), len(SIGNATURE), b""
    header = b""
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        header = body if kind == b"IHDR" else header
        pixels += body if kind == b"IDAT" else b""
        place += 12 + length
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    assert not interlace
    step = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4, PALETTE: 1}[colour]
    stored = zlib.decompress(pixels)
    size = 1 + width * step
    rows: list[bytes] = []
    for start in range(0, len(stored), size):
        above = rows[-1] if rows else bytes(width * step)
        rows.append(_unfiltered(stored[start : start + size], above, step))
    return width, height, depth, colour, rows


def _unfiltered(line: bytes, above: bytes, step: int) -> bytes:
    out = bytearray()
    for place, value in enumerate(line[1:]):
        left = out[place - step] if place >= step else 0
        up = above[place]
        corner = above[place - step] if place >= step else 0
        guess = left + up - corner
        paeth = min((left, up, corner), key=lambda number: abs(guess - number))
        out.append((value + (0, left, up, (left + up) // 2, paeth)[line[0]]) % 256)
    return bytes(out)


def exif(orientation: int, *, order: str = ">", kind: int = 3) -> bytes:
    """A TIFF block with a maker's name and an orientation."""
    mark = {"<": b"II", ">": b"MM"}[order]
    value = {3: "HH", 4: "I"}[kind]
    numbers = (orientation, 0) if kind == 3 else (orientation,)
    return (
        mark
        + struct.pack(order + "HIH", 42, 8, 2)
        + struct.pack(order + "HHI4s", 0x010F, 2, 4, b"Ace\0")
        + struct.pack(order + "HHI" + value, 0x0112, kind, 1, *numbers)
        + struct.pack(order + "I", 0)
    )


def segment(marker: int, data: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def frame(
    width: int, height: int, *, marker: int = 0xC0, precision: int = 8, components: int = 3
) -> bytes:
    parts = b"".join(bytes((number, 0x11, 0)) for number in range(1, components + 1))
    return segment(marker, struct.pack(">BHHB", precision, height, width, components) + parts)


def scan(components: int = 3, data: bytes = b"\x12\x34\xff\x00\x56") -> bytes:
    parts = b"".join(bytes((number, 0)) for number in range(1, components + 1))
    return segment(0xDA, bytes((components,)) + parts + b"\0\x3f\0") + data


def jpeg(*segments: bytes) -> bytes:
    """A JPEG from whole segments; right in structure, with nothing that can be decoded."""
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xd9"


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP file from (name, data)."""
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def vp8x(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes((flags, 0, 0, 0)) + sides


def vp8l(width: int, height: int, *, alpha: bool = False) -> tuple[bytes, bytes]:
    bits = (width - 1) | (height - 1) << 14 | alpha << 28
    return b"VP8L", b"\x2f" + bits.to_bytes(4, "little") + b"pixels"


def vp8(width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8 ", b"\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + b"pixels"
