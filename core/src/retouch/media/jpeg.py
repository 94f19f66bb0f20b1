"""The structure of a JPEG file, without decoding a pixel.

Rules: ITU-T T.81 annex B; EXIF and ICC markers: CIPA DC-008 and ICC.1 annex B.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator

from retouch.media.blob import Blob
from retouch.media.exif import EXIF_MARK, read_orientation
from retouch.media.structure import BrokenPicture, Reader, Structure, Walk, check_sides

#: Start of image, and the first byte of the marker that must follow.
SIGNATURE = b"\xff\xd8\xff"

MAX_SEGMENTS = 1_024
#: A marker may be preceded by any number of 0xFF; libjpeg reads millions of them one by one.
MAX_FILL_BYTES = 64
#: A few bytes per scan make a decoder go over all pixels again.
MAX_SCANS = 256

_EOI, _SOS, _APP0, _APP1, _APP2, _APP14, _COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_PROGRESSIVE = (0xC2, 0xCA)
#: Start-of-frame markers of the processes that decoders know: sequential and progressive,
#: Huffman or arithmetic.
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
#: Lossless and hierarchical processes, and the reserved one.
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF)
#: TEM, RSTn and SOI carry no length and have no place before the first scan.
_BARE = (0x01, *range(0xD0, 0xD9))
#: Where most files end; a longer tail (a second picture, a maker's note) is searched as well.
_TAIL_BYTES = 4_096

_FRAME = struct.Struct(">BHHB")

#: A marker's second byte, where its data starts, and the data's length.
Segment = tuple[int, int, int]


def walk(reader: Reader) -> Walk:
    """Check a JPEG from its first marker to the end of its scans.

    Bytes after the end-of-image marker are allowed: phones append further pictures.

    :raises BrokenPicture: when it is cut off, damaged or too large, or uses a process that
        common decoders do not know.
    """
    frame: tuple[int, int, int, int] | None = None
    orientation: int | None = None
    for segment in segments(reader):
        if segment is None:
            yield
            continue
        marker, offset, length = segment
        if marker in _FRAMES:
            if frame is not None:
                raise BrokenPicture("is damaged: the JPEG has more than one frame header")
            frame = (marker, *_frame(reader, offset, length))
        elif marker in _OTHER_FRAMES:
            raise BrokenPicture("is a lossless or hierarchical JPEG, which is not supported")
        elif marker == _APP1 and orientation is None:
            block = reader.read(offset, length)
            orientation = read_orientation(block) if block.startswith(EXIF_MARK) else None
        elif marker == _SOS:
            yield from _check_scans(reader, frame, offset, length)
    if frame is None:
        raise BrokenPicture("is a JPEG without pixel data")
    return Structure(width=frame[1], height=frame[2], orientation=orientation or 1)


def segments(reader: Reader) -> Iterator[Segment | None]:
    """The segments in order; the last one is the header of the first scan.

    ``None`` whenever more bytes must come first; a segment that comes out is there whole.

    :raises BrokenPicture: when the file is cut off or damaged, or has too many segments.
    """
    offset = 2
    for _ in range(MAX_SEGMENTS):
        head = yield from reader.get(offset, MAX_FILL_BYTES + 4)
        fill = len(head) - len(head.lstrip(b"\xff"))
        if not head or fill == len(head) < MAX_FILL_BYTES:
            raise BrokenPicture("is cut off: the JPEG ends before its pixel data")
        if not fill:
            raise BrokenPicture("is damaged: the JPEG has no marker where one must be")
        if fill > MAX_FILL_BYTES:
            raise BrokenPicture("is a JPEG with too many fill bytes")
        marker = head[fill]
        offset += fill + 1
        if marker == _EOI:
            raise BrokenPicture("is a JPEG without pixel data")
        if marker == 0 or marker in _BARE:
            raise BrokenPicture("is damaged: the JPEG has a marker that does not belong there")
        length = int.from_bytes(reader.read(offset, 2), "big")
        whole = yield from reader.get(offset, max(length, 2))
        if len(whole) < max(length, 2):
            raise BrokenPicture("is cut off: the JPEG ends before its pixel data")
        if length < 2:
            raise BrokenPicture("is damaged: a segment of the JPEG has a wrong length")
        yield marker, offset + 2, length - 2
        if marker == _SOS:
            return
        offset += length
    raise BrokenPicture("is a JPEG with too many segments")


def essential(blob: Blob) -> bytes:
    """The same JPEG without EXIF, XMP, comments and whatever else is not needed for its pixels.

    :raises BrokenPicture: as ``segments`` does.
    """
    kept = [SIGNATURE[:2]]
    reader = Reader(blob)
    for marker, offset, length in filter(None, segments(reader)):
        data = reader.read(offset, length)
        notes = _APP0 < marker < _APP14 or _APP14 < marker <= 0xEF or marker == _COM
        if not notes or (marker == _APP2 and data.startswith(b"ICC_PROFILE\0")):
            kept.append(struct.pack(">BBH", 0xFF, marker, length + 2) + data)
        if marker == _SOS:
            kept.append(blob.read(offset + length))
    return b"".join(kept)


def _frame(reader: Reader, offset: int, length: int) -> tuple[int, int, int]:
    if length < _FRAME.size:
        raise BrokenPicture("is damaged: the frame header of the JPEG is too short")
    precision, height, width, components = _FRAME.unpack(reader.read(offset, _FRAME.size))
    if length != _FRAME.size + 3 * components or components not in (1, 3, 4):
        raise BrokenPicture("is damaged: the frame header of the JPEG is wrong")
    check_sides(width, height)
    if precision != 8:
        raise BrokenPicture(f"is a JPEG with {precision} bits per sample; only 8 are supported")
    return width, height, components


def _check_scans(
    reader: Reader, frame: tuple[int, int, int, int] | None, offset: int, length: int
) -> Generator[None, None, None]:
    if frame is None:
        raise BrokenPicture("is damaged: the JPEG has pixel data before its frame header")
    marker, _, _, components = frame
    in_scan = reader.read(offset, 1)
    if length != 4 + 2 * in_scan[0] or not 1 <= in_scan[0] <= components:
        raise BrokenPicture("is damaged: the scan header of the JPEG is wrong")
    start = offset + length
    if marker in _PROGRESSIVE or in_scan[0] < components:
        yield from _count_scans(reader, start)
    while reader.lacks(reader.size, 1):
        yield
    tail = max(start, reader.size - _TAIL_BYTES)
    # Inside a scan 0xFF is always followed by 0x00 or a restart marker, so this is the end.
    if reader.find(b"\xff\xd9", tail) < 0 and reader.find(b"\xff\xd9", start) < 0:
        raise BrokenPicture("is cut off: the JPEG has no end-of-image marker")


def _count_scans(reader: Reader, offset: int) -> Generator[None, None, None]:
    total = 0
    while True:
        yield from reader.get(offset, 2)
        found, following = reader.count(b"\xff\xda", offset)
        total += found
        if total >= MAX_SCANS:
            raise BrokenPicture("is a JPEG with too many scans")
        if reader.ends_before(following + 2):
            return
        offset = following
