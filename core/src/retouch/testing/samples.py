"""Small pictures and masks of which every pixel is known, and one large picture.

PNGs are written from their own structure (PNG specification, third edition, section 5), so
that nothing but the specification stands between a sample and what it should be.
"""

from __future__ import annotations

import base64
import functools
import random
import struct
import zlib
from collections.abc import Callable, Iterable

from retouch.media.blob import Blob
from retouch.media.convert import convert
from retouch.types import PictureFormat

#: Left, top, right and bottom in pixels; the right and bottom edges do not belong to it.
Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]

_GREY, _RGB, _RGBA = 0, 2, 6
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(width: int, height: int, rows: Iterable[bytes], *, colour_type: int = _RGB) -> bytes:
    """A PNG of 8 bits per channel from the bytes of its rows, top to bottom."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    # Each row starts with the number of its filter; 0 is none.
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def picture(
    width: int = 64,
    height: int = 64,
    *,
    colour: Colour = (40, 120, 200),
    format: PictureFormat = "png",
) -> bytes:
    """An opaque picture: ``colour`` all over, a shade lighter from row to row.

    :param format: JPEG and WebP are made from the PNG at their best quality.
    """
    rows = (bytes(_shade(colour, y, height)) * width for y in range(height))
    made = png(width, height, rows)
    return made if format == "png" else convert(Blob(made), "png", format).read()


def spotted(width: int, height: int, spot: Box) -> bytes:
    """``picture()`` with a red and white chequered spot, which any edit of the spot changes."""

    def pixel(x: int, y: int) -> bytes:
        if spot[0] <= x < spot[2] and spot[1] <= y < spot[3]:
            return b"\xff\xff\xff" if (x // 2 + y // 2) % 2 else b"\xff\x00\x00"
        return bytes(_shade((40, 120, 200), y, height))

    return png(width, height, _rows(width, height, pixel))


def mask(width: int, height: int, hole: Box) -> bytes:
    """A mask as OpenAI wants it: alpha 0 (edit here) in ``hole``, 255 (keep) elsewhere.

    The colours under the alpha are a chequerboard that has nothing to do with the hole, so
    that whoever reads the colours in place of the alpha gets a wrong area.
    """

    def pixel(x: int, y: int) -> bytes:
        inside = hole[0] <= x < hole[2] and hole[1] <= y < hole[3]
        level = 255 * ((x // 8 + y // 8) % 2)
        return bytes((level, level, level, 0 if inside else 255))

    return png(width, height, _rows(width, height, pixel), colour_type=_RGBA)


@functools.lru_cache(maxsize=1)
def large(side: int = 600) -> bytes:
    """A picture of noise, so that it has ``3 * side * side`` bytes and some, above 1 MiB."""
    noise = random.Random(0)  # noqa: S311  the same picture every time
    return png(side, side, (noise.randbytes(3 * side) for _ in range(side)))


def flat(width: int, height: int) -> bytes:
    """A grey picture of one byte per pixel, for extreme sizes."""
    return png(width, height, (bytes(width) for _ in range(height)), colour_type=_GREY)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _shade(colour: Colour, y: int, height: int) -> Colour:
    red, green, blue = (min(255, level + 32 * y // height) for level in colour)
    return red, green, blue


def _rows(width: int, height: int, pixel: Callable[[int, int], bytes]) -> Iterable[bytes]:
    return (b"".join(pixel(x, y) for x in range(width)) for y in range(height))


#: A picture for canned replies, as bytes and as base64 text; its size is none that is sent.
RESULT = picture(48, 40, colour=(200, 90, 30))
RESULT_BASE64 = base64.b64encode(RESULT).decode("ascii")
