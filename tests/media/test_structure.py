"""Reading through a window, and the limits on sizes."""

from __future__ import annotations

import tracemalloc

import pytest

from retouch import Blob
from retouch.media.blob import Spool
from retouch.media.pictures import inspect
from retouch.media.structure import Reader
from tests.media.checks import look, refusal
from tests.media.files import SIGNATURE, chunk, frame, ihdr, jpeg, riff, scan, vp8, vp8l, vp8x

SIDES = [
    ((0, 1), "no pixels"),
    ((1, 0), "no pixels"),
    ((16_384, 1), None),
    ((16_385, 1), "too large"),
    ((1, 16_385), "too large"),
    ((16_384, 6_103), None),  # 99,991,552 pixels
    ((16_384, 6_104), "too large"),  # 100,007,936 pixels
    ((10_000, 10_000), None),
    ((2**31, 1), "too large"),
    ((65_535, 65_535), "too large"),
]


#: The first side that each format cannot name, and whether it can name a side of 0.
NAMEABLE = {
    "png": (2**32, True),
    "jpeg": (2**16, True),
    "vp8": (2**14, True),
    "vp8l": (2**14 + 1, False),
    "vp8x": (2**24 + 1, False),
}
BUILD = {
    "png": lambda *size: SIGNATURE + ihdr(*size) + chunk(b"IDAT", b"data") + chunk(b"IEND"),
    "jpeg": lambda *size: jpeg(frame(*size), scan()),
    "vp8": lambda *size: riff(vp8(*size)),
    "vp8l": lambda *size: riff(vp8l(*size)),
    "vp8x": lambda *size: riff(vp8x(*size), vp8l(*(min(side, 2**14) for side in size))),
}


@pytest.mark.parametrize(
    ("format", "size", "says"),
    [
        (kind, size, says)
        for kind, (beyond, zero) in NAMEABLE.items()
        for size, says in SIDES
        if max(size) < beyond and (zero or min(size))
    ],
)
def test_sizes(format: str, size: tuple[int, int], says: str | None) -> None:
    data = BUILD[format](*size)
    if says is None:
        assert (look(data).width, look(data).height) == size
    else:
        assert says in refusal(data)


def test_a_large_picture_on_disk_is_never_held_whole() -> None:
    part = chunk(b"IDAT", bytes(1_000_000))
    with Spool() as spool:
        writer = spool.writer()
        writer.write(SIGNATURE + ihdr(4_000, 4_000))
        for _ in range(20):
            writer.write(part)
        writer.write(chunk(b"IEND"))
        blob = spool.finish(writer)
        tracemalloc.start()
        try:
            assert inspect(blob).width == 4_000
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # Two windows of 1 MiB at the moment when one replaces the other.
    assert peak < 3 * 1024 * 1024


MIB = 1024 * 1024


@pytest.mark.parametrize("start", [0, 14])
@pytest.mark.parametrize("edge", [MIB, 2 * MIB])
@pytest.mark.parametrize("off", range(-3, 2))
def test_marks_on_the_edge_of_a_window(start: int, edge: int, off: int) -> None:
    """The window is 1 MiB; the search begins anywhere."""
    data = bytearray(3 * MIB)
    places = sorted({start, edge + off, edge + start + off, len(data) - 2})
    for place in places:
        data[place : place + 2] = b"\xff\xd9"
    reader = Reader(Blob(bytes(data)))
    for before, place in zip([-1, *places], places, strict=False):
        assert reader.find(b"\xff\xd9", max(before + 1, start)) == place
    assert reader.find(b"\xff\xd9", len(data) - 1) == -1


@pytest.mark.parametrize("off", range(-13, 2))
def test_a_chunk_on_the_edge_of_a_window(off: int) -> None:
    """Its checksum and the next chunk's head lie on both sides."""
    before = len(SIGNATURE + ihdr(1, 1)) + 12
    data = SIGNATURE + ihdr(1, 1) + chunk(b"IDAT", b"\1" * (MIB + off - before)) + chunk(b"IEND")
    with Spool() as spool:
        writer = spool.writer()
        writer.write(data + bytes(MIB))
        assert inspect(spool.finish(writer)).width == 1


def counted(reader: Reader, offset: int) -> int:
    """All counts from ``offset`` on, one window after the other."""
    total = 0
    while not reader.ends_before(offset + 2):
        found, offset = reader.count(b"\xff\xda", offset)
        total += found
    return total


@pytest.mark.parametrize("sizes", [[1] * 12, [2, 3, 1, 1, 5], [12], [11, 1]])
def test_marks_are_counted_across_pieces(sizes: list[int]) -> None:
    data = b"\xff\xda.\xff\xff\xda\xda\xff.\xff\xda\xff"
    with Spool() as spool:
        writer = spool.writer()
        at = 0
        for size in sizes:
            # A piece of its own for each, as large uploads have them.
            writer.write(data[at : at + size].ljust(8192, b"."))
            at += size
        blob = spool.finish(writer)
        whole = blob.read()
        assert counted(Reader(blob), 0) == whole.count(b"\xff\xda")
    assert counted(Reader(Blob(data)), 0) == 3
    assert counted(Reader(Blob(data)), 1) == 2
