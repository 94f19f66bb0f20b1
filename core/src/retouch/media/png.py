"""The structure of a PNG file, without decoding a pixel.

Rules: PNG specification, third edition (W3C), sections 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterable, Iterator

import msgspec
from zlib_ng.zlib_ng import crc32

from retouch.media.blob import Blob
from retouch.media.exif import MAX_EXIF_BYTES, read_orientation
from retouch.media.structure import BrokenPicture, Reader, Structure, Walk, check_sides

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: A picture may have this many chunks, and one more for each ``_BYTES_PER_CHUNK`` of its size
#: so far: libpng writes pixel data in chunks of 8 KiB, while a flood of tiny ones costs time.
MAX_CHUNKS = 4_096
_BYTES_PER_CHUNK = 4_096

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
_BIT_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
#: What a decoder needs for the pixels and their colours; tRNS is handed over apart from it.
_ESSENTIAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"iCCP")
_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
#: The seven passes of interlacing: first column and row, distance of columns and rows.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
#: Inflated pixel data is counted in pieces of this size, never held.
_INFLATE_BYTES = 256 * 1024

_CUT = "is cut off: the PNG ends in the middle of a chunk"
_DAMAGED = "is damaged: the checksum of a PNG chunk is wrong"
_HEAD = struct.Struct(">I4s")
#: A checksum, and the head of the next chunk.
_NEXT = struct.Struct(">II4s")
#: After so many chunks at once the limit on their number is looked at.
_RUN_CHUNKS = 1_024
_IHDR = struct.Struct(">IIBBBBB")

#: A chunk's type, where its data starts, the data's length, and the beginning of all data but
#: pixel data: as much of it as a walk may want to look at.
Chunk = tuple[bytes, int, int, bytes]


class Essential(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the pixels of a PNG.

    :param file: a PNG of the same pixels without tRNS, texts, EXIF and other notes.
    :param transparency: the data of the tRNS chunk, empty without one.
    """

    file: bytes
    depth: int
    colour: int
    transparency: bytes


def walk(reader: Reader) -> Walk:
    """Check a PNG from its signature to its IEND chunk, all checksums included.

    Bytes after IEND are allowed: every decoder stops there.

    :raises BrokenPicture: when it is cut off, damaged, animated or too large.
    """
    found: _Walk | None = None
    for chunk in chunks(reader, runs=True):
        if chunk is None:
            yield
        elif found is None:
            found = _Walk(chunk)
        else:
            found.chunk(chunk)
    if found is None or not found.data_bytes:
        raise BrokenPicture("is a PNG without pixel data")
    return Structure(
        width=found.width,
        height=found.height,
        alpha=found.transparent,
        orientation=found.orientation,
    )


def chunks(reader: Reader, *, runs: bool = False) -> Iterator[Chunk | None]:
    """The chunks in order, each with its checksum verified; IEND is the last.

    ``None`` whenever more bytes must come first.

    :param runs: several chunks of pixel data may come as one, with the length of all their data.
    :raises BrokenPicture: when the file is cut off or damaged, or has too many chunks.
    """
    offset, count = len(SIGNATURE), 0
    head = yield from reader.get(offset, 8)
    while True:
        if count >= MAX_CHUNKS + offset // _BYTES_PER_CHUNK:
            raise BrokenPicture("is a PNG with too many chunks")
        length, kind = _read_head(head)
        if runs and kind == b"IDAT":
            end, passed, size = _run(reader, offset)
            if passed:
                yield kind, offset + 8, size, b""
                offset, head, count = end, reader.read(end, 8), count + passed
                continue
        data = b""
        if kind != b"IDAT":
            data = (yield from reader.get(offset + 4, 4 + min(length, MAX_EXIF_BYTES)))[4:]
        crc = yield from _checksum(reader, offset + 4, length + 4)
        end = offset + 8 + length
        # One read for this chunk's checksum and the head of the next one.
        tail = yield from reader.get(end, 4 if kind == b"IEND" else 12)
        if len(tail) < 4:
            raise BrokenPicture(_CUT)
        if crc.to_bytes(4, "big") != tail[:4]:
            raise BrokenPicture(_DAMAGED)
        yield kind, offset + 8, length, data
        if kind == b"IEND":
            return
        offset, head, count = end + 4, tail[4:], count + 1


def _read_head(head: bytes) -> tuple[int, bytes]:
    """Length of the data and type of a chunk."""
    if len(head) < 8:
        raise BrokenPicture("is cut off: the PNG ends before its IEND chunk")
    length, kind = _HEAD.unpack(head)
    if not kind.isalpha():
        raise BrokenPicture("is damaged: the PNG has a chunk without a proper name")
    return length, kind


def _run(reader: Reader, offset: int) -> tuple[int, int, int]:
    """Go over chunks of pixel data that are in the window, each with the head of the next one.

    :returns: where they end, how many they are, and how many bytes of data they hold.
    """
    view = reader.view(offset, reader.size)
    last = len(view) - _NEXT.size
    place = count = size = 0
    length, kind = _HEAD.unpack_from(view) if last > 0 else (0, b"")
    while kind == b"IDAT" and (end := place + 8 + length) <= last and count < _RUN_CHUNKS:
        checksum, following, kind = _NEXT.unpack_from(view, end)
        if crc32(view[place + 4 : end]) != checksum:
            raise BrokenPicture(_DAMAGED)
        place, length, size, count = end + 4, following, size + length, count + 1
    return offset + place, count, size


def _checksum(reader: Reader, offset: int, size: int) -> Generator[None, None, int]:
    """The CRC-32 of a chunk, as far as it is there, and then as it comes."""
    value = 0
    while size:
        while reader.lacks(offset, 1):
            yield
        view = reader.view(offset, size)
        if not view:
            raise BrokenPicture(_CUT)
        value = crc32(view, value)
        offset += len(view)
        size -= len(view)
    return value


def essential(blob: Blob) -> Essential:
    """The parts of a PNG that decide its pixels.

    :raises BrokenPicture: as ``chunks`` does, and when the pixel data ends too early, which
        decoders fill up in silence with zeros, that is with transparent pixels.
    """
    kept = [SIGNATURE]
    data = []
    transparency = b""
    for kind, offset, length, _ in filter(None, chunks(Reader(blob))):
        if kind in _ESSENTIAL:
            kept.append(blob.read(offset - 8, length + 12))
        if kind == b"IDAT":
            data.append(kept[-1][8:-4])
        elif kind == b"tRNS":
            transparency = blob.read(offset, length)
    header = kept[1][8:21]
    _check_pixel_data(header, data)
    return Essential(
        file=b"".join(kept), depth=header[8], colour=header[9], transparency=transparency
    )


def _check_pixel_data(header: bytes, data: Iterable[bytes]) -> None:
    missing = _pixel_bytes(header)
    inflate = zlib.decompressobj()
    try:
        for piece in data:
            rest = piece
            while rest and missing > 0:
                missing -= len(inflate.decompress(rest, _INFLATE_BYTES))
                rest = inflate.unconsumed_tail
    except zlib.error:
        raise BrokenPicture("is damaged: the pixel data of the PNG cannot be read") from None
    if missing > 0:
        raise BrokenPicture("is cut off: the PNG has fewer pixels than its header says")


def _pixel_bytes(header: bytes) -> int:
    width, height, depth, colour, _, _, interlace = _IHDR.unpack(header)
    bits = depth * _CHANNELS[colour]
    total = 0
    for left, top, right, down in _ADAM7 if interlace else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            # One more byte in each row names the row's filter.
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


class _Walk:
    """What is known so far about one PNG."""

    def __init__(self, chunk: Chunk) -> None:
        kind, _, length, data = chunk
        if kind != b"IHDR" or length != 13:
            raise BrokenPicture("is damaged: the PNG does not start with an IHDR chunk")
        header = _IHDR.unpack(data)
        self.width, self.height, depth, self.colour, compression, filtering, interlace = header
        check_sides(self.width, self.height)
        if depth not in _BIT_DEPTHS.get(self.colour, ()) or compression or filtering:
            raise BrokenPicture("is damaged: the PNG header names an unknown kind of pixels")
        if interlace > 1:
            raise BrokenPicture("is damaged: the PNG header names an unknown interlacing")
        self.transparent = self.colour in (GREY_ALPHA, RGB_ALPHA)
        self.orientation = 1
        self.data_bytes = 0
        self._palette = 0
        self._previous = kind
        self._seen = {kind}

    def chunk(self, chunk: Chunk) -> None:
        """Check one chunk after IHDR."""
        kind, _, length, data = chunk
        if kind == b"IDAT":
            self._idat(length)
        elif kind == b"PLTE":
            self._plte(length)
        elif kind == b"tRNS":
            self._trns(length)
        elif kind == b"eXIf":
            self.orientation = read_orientation(data)
        elif kind == b"acTL":
            raise BrokenPicture("is an animated PNG; only still pictures are accepted")
        elif kind[0] < 0x60 and kind != b"IEND":
            # An upper case first letter means that a decoder must understand the chunk.
            raise BrokenPicture("is damaged: the PNG has a chunk that does not belong there")
        self._previous = kind
        self._seen.add(kind)

    def _idat(self, length: int) -> None:
        if b"IDAT" in self._seen and self._previous != b"IDAT":
            raise BrokenPicture("is damaged: the pixel data of the PNG is not in one piece")
        if self.colour == PALETTE and not self._palette:
            raise BrokenPicture("is damaged: the PNG has no palette before its pixel data")
        self.data_bytes += length

    def _plte(self, length: int) -> None:
        if b"PLTE" in self._seen or b"IDAT" in self._seen:
            raise BrokenPicture("is damaged: the PNG has a palette where none may be")
        if length % 3 or not 3 <= length <= 768:
            raise BrokenPicture("is damaged: the palette of the PNG has a wrong length")
        self._palette = length // 3

    def _trns(self, length: int) -> None:
        if b"tRNS" in self._seen or b"IDAT" in self._seen or self.transparent:
            raise BrokenPicture("is damaged: the PNG has a tRNS chunk where none may be")
        wanted = {GREY: 2, RGB: 6}.get(self.colour)
        if length != wanted if wanted else not 1 <= length <= self._palette:
            raise BrokenPicture("is damaged: the tRNS chunk of the PNG has a wrong length")
        self.transparent = True
