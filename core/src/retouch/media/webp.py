"""The structure of a WebP file, without decoding a pixel.

Rules: RFC 9649 (container and lossless bitstream), RFC 6386 section 9.1 (VP8 frame header).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from retouch.media.exif import MAX_EXIF_BYTES, read_orientation
from retouch.media.structure import BrokenPicture, Reader, Structure, Walk, check_sides

MAX_CHUNKS = 4_096

_ANIMATION_FLAG, _ALPHA_FLAG = 0x02, 0x10
_CUT = "is cut off: the WebP ends before its last chunk"
_ANIMATED = "is an animated WebP; only still pictures are accepted"
_HEAD = struct.Struct("<4sI")

#: A chunk's name, where its data starts, and the data's length.
Chunk = tuple[bytes, int, int]


def walk(reader: Reader) -> Walk:
    """Check a WebP file up to the end that its RIFF header names.

    Bytes after that end are allowed: decoders stop there.

    :raises BrokenPicture: when it is cut off, damaged, animated or too large.
    """
    found = _Walk()
    first = True
    for chunk in _chunks(reader):
        if chunk is None:
            yield
            continue
        kind, offset, length = chunk
        if kind == b"VP8X" and first:
            found.extended(reader.read(offset, min(length, 10)))
        elif kind in (b"ANIM", b"ANMF"):
            raise BrokenPicture(_ANIMATED)
        elif kind in _BITSTREAMS and found.size is None:
            found.bitstream(_BITSTREAMS[kind](reader.read(offset, min(length, 10))))
        elif kind == b"ALPH":
            found.alpha = True
        elif kind == b"EXIF":
            found.orientation = read_orientation(reader.read(offset, min(length, MAX_EXIF_BYTES)))
        first = False
    if found.size is None:
        raise BrokenPicture("is a WebP without pixel data")
    width, height = found.size
    return Structure(width=width, height=height, alpha=found.alpha, orientation=found.orientation)


class _Walk:
    """What is known so far about one WebP."""

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None
        self.alpha = False
        self.orientation = 1
        self._canvas: tuple[int, int] | None = None

    def extended(self, data: bytes) -> None:
        """Take the size and the flags from the extended file header."""
        if len(data) < 10:
            raise BrokenPicture("is damaged: the header of the WebP is too short")
        if data[0] & _ANIMATION_FLAG:
            raise BrokenPicture(_ANIMATED)
        width = 1 + int.from_bytes(data[4:7], "little")
        height = 1 + int.from_bytes(data[7:10], "little")
        check_sides(width, height)
        self._canvas = width, height
        self.alpha = bool(data[0] & _ALPHA_FLAG)

    def bitstream(self, header: tuple[int, int, bool]) -> None:
        """Take the size and the alpha flag from the header of the pixel data."""
        width, height, alpha = header
        check_sides(width, height)
        self.size = width, height
        self.alpha = self.alpha or alpha
        if self._canvas not in (None, self.size):
            raise BrokenPicture("is damaged: the WebP names two different sizes")


def _chunks(reader: Reader) -> Iterator[Chunk | None]:
    """The chunks in order, ``None`` whenever more bytes must come first.

    Of a chunk that comes out there is as much as a walk may want to look at.
    """
    head = yield from reader.get(0, 12)
    end = 8 + int.from_bytes(head[4:8], "little")
    offset = 12
    for _ in range(MAX_CHUNKS):
        if offset + 8 > end:
            yield from reader.get(offset, end - offset)
            if reader.ends_before(end):
                raise BrokenPicture(_CUT)
            return
        head = yield from reader.get(offset, 8)
        if len(head) < 8:
            raise BrokenPicture(_CUT)
        kind, length = _HEAD.unpack(head)
        if offset + 8 + length > end:
            raise BrokenPicture("is damaged: a chunk of the WebP is longer than the file")
        shown = 8 + min(length, MAX_EXIF_BYTES)
        yield from reader.get(offset, shown)
        if reader.ends_before(offset + shown):
            raise BrokenPicture(_CUT)
        yield kind, offset + 8, length
        offset += 8 + length + length % 2
    raise BrokenPicture("is a WebP with too many chunks")


def _lossy(data: bytes) -> tuple[int, int, bool]:
    if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a" or data[0] & 1:
        raise BrokenPicture("is damaged: the pixel data of the WebP has no proper header")
    # The two highest bits of each number ask for scaling by the viewer.
    width, height = (number & 0x3FFF for number in struct.unpack_from("<HH", data, 6))
    return width, height, False


def _lossless(data: bytes) -> tuple[int, int, bool]:
    bits = int.from_bytes(data[1:5], "little")
    if len(data) < 5 or data[0] != 0x2F or bits >> 29:
        raise BrokenPicture("is damaged: the pixel data of the WebP has no proper header")
    width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return width, height, bool(bits >> 28 & 1)


_BITSTREAMS = {b"VP8 ": _lossy, b"VP8L": _lossless}
