"""The walk over PNG chunks."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.media.checks import inspected, look, refusal
from tests.media.files import GREY, PALETTE, RGB, SIGNATURE, chunk, idat, ihdr, png

PIXEL = png(1, 1, [b"\1\2\3\4"])


HUGE = struct.pack(">I", 2**31 - 1)


def test_every_changed_byte_of_a_png_is_refused() -> None:
    for place in range(len(PIXEL)):
        changed = bytearray(PIXEL)
        changed[place] ^= 0x01
        refusal(bytes(changed))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (SIGNATURE, "cut off"),
        (SIGNATURE + chunk(b"IEND"), "does not start with an IHDR"),
        (SIGNATURE + idat([b"\0"]) + chunk(b"IEND"), "does not start with an IHDR"),
        (SIGNATURE + chunk(b"IHDR", bytes(12)), "does not start with an IHDR"),
        (SIGNATURE + ihdr(1, 1) + chunk(b"IEND"), "without pixel data"),
        (SIGNATURE + ihdr(1, 1) + chunk(b"IDAT") + chunk(b"IEND"), "without pixel data"),
        (SIGNATURE + ihdr(1, 1) + idat([b"\1\2\3\4"]), "before its IEND"),
        (SIGNATURE + ihdr(1, 1) + HUGE + b"IDAT", "middle of a chunk"),
        (PIXEL.replace(b"IDAT", b"I\0AT"), "without a proper name"),
        (PIXEL[:-1] + b"\0", "checksum"),
        (png(1, 1, [b"\0"], depth=3, colour=GREY), "unknown kind of pixels"),
        (png(1, 1, [b"\0"], depth=4, colour=RGB), "unknown kind of pixels"),
        (png(1, 1, [b"\0"], depth=16, colour=PALETTE), "unknown kind of pixels"),
        (png(1, 1, [b"\0"], colour=1), "unknown kind of pixels"),
        (png(1, 1, [b"\0"], interlace=2), "unknown interlacing"),
        (png(1, 1, [b"\0"], before=chunk(b"ABCD")), "does not belong"),
        (png(1, 1, [b"\0"], before=ihdr(1, 1)), "does not belong"),
        (png(1, 1, [b"\0"], before=chunk(b"acTL", bytes(8))), "animated PNG"),
        (png(1, 1, [b"\0"], colour=PALETTE), "no palette"),
        (png(1, 1, [b"\0"], colour=PALETTE, before=chunk(b"PLTE")), "wrong length"),
        (png(1, 1, [b"\0"], colour=PALETTE, before=chunk(b"PLTE", bytes(4))), "wrong length"),
        (png(1, 1, [b"\0"], colour=PALETTE, before=chunk(b"PLTE", bytes(771))), "wrong length"),
        (png(1, 1, [b"\0"], before=2 * chunk(b"PLTE", bytes(3))), "palette where none may be"),
        (png(1, 1, [b"\0"], after=chunk(b"PLTE", bytes(3))), "palette where none may be"),
        (png(1, 1, [b"\0"], before=chunk(b"tRNS", bytes(2))), "tRNS chunk where none may be"),
        (png(1, 1, [b"\0"], colour=GREY, before=chunk(b"tRNS", b"\0")), "tRNS chunk of the PNG"),
        (png(1, 1, [b"\0"], colour=RGB, before=chunk(b"tRNS", bytes(2))), "tRNS chunk of the PNG"),
        (png(1, 1, [b"\0"], colour=GREY, after=chunk(b"tRNS", bytes(2))), "where none may be"),
        (
            png(
                1,
                1,
                [b"\0"],
                colour=PALETTE,
                before=chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", bytes(3)),
            ),
            "tRNS chunk of the PNG",
        ),
        (
            png(1, 1, [b"\1\2\3\4"], after=chunk(b"tIME", bytes(7)) + idat([b"\0"])),
            "not in one piece",
        ),
    ],
)
def test_broken_pngs(data: bytes, says: str) -> None:
    assert says in refusal(data)


def test_png_chunk_limit() -> None:
    def with_chunks(count: int) -> bytes:
        return png(1, 1, [b"\1\2\3\4"], before=chunk(b"vpAg") * (count - 3))

    # A file of 49,152 bytes may have 12 chunks more than 4,096.
    assert len(with_chunks(4_108)) // 4_096 == 12
    assert look(with_chunks(4_108)).width == 1
    assert "too many chunks" in refusal(with_chunks(4_109))


def test_a_png_of_many_small_data_chunks_is_accepted() -> None:
    """50 MB written by libpng has 6,400 chunks of 8 KiB; here 5,000 of them."""
    data = chunk(b"IDAT", bytes(8_192)) * 5_000
    picture = look(SIGNATURE + ihdr(4_000, 2_560) + data + chunk(b"IEND"))
    assert picture.height == 2_560


@settings(max_examples=200, deadline=None)
@given(kind=st.binary(min_size=4, max_size=4), data=st.binary(max_size=60), count=st.integers(1, 3))
def test_any_chunk_with_a_right_checksum(kind: bytes, data: bytes, count: int) -> None:
    inspected(png(1, 1, [b"\1\2\3\4"], before=chunk(kind, data) * count))
    inspected(png(1, 1, [b"\1\2\3\4"], after=chunk(kind, data) * count))
