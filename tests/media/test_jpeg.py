"""The walk over JPEG segments."""

from __future__ import annotations

import pytest

from tests.media.checks import look, refusal
from tests.media.files import frame, jpeg, scan, segment


def test_a_long_tail_after_a_jpeg_is_accepted() -> None:
    """Phones append a second picture or a film; then the end marker is not near the end."""
    assert look(jpeg(frame(9, 7), scan()) + bytes(3_000_000)).width == 9


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xd8\xff", "cut off"),
        (jpeg(), "without pixel data"),
        (b"\xff\xd8" + segment(0xE0, b"JFIF\0"), "cut off"),
        (b"\xff\xd8\xff\xe0\x10\x00JFIF", "cut off"),
        (b"\xff\xd8\xff\xe0\x00\x01" + bytes(20), "wrong length"),
        (b"\xff\xd8\xff\x00" + bytes(20), "does not belong"),
        (b"\xff\xd8\xff\xd8" + frame(1, 1) + scan(), "does not belong"),
        (jpeg(segment(0xE0) + b"\x00", frame(1, 1), scan()), "no marker"),
        (jpeg(scan()), "before its frame header"),
        (jpeg(frame(1, 1), frame(1, 1), scan()), "more than one frame"),
        (jpeg(segment(0xC0, bytes(5)), scan()), "too short"),
        (jpeg(frame(1, 1, components=2), scan(2)), "frame header of the JPEG is wrong"),
        (jpeg(frame(1, 1)[:-1], scan()), "no marker"),
        (jpeg(frame(1, 1, precision=12), scan()), "12 bits per sample"),
        (jpeg(frame(1, 1, marker=0xC3), scan()), "lossless or hierarchical"),
        (jpeg(frame(1, 1, components=1), scan(3)), "scan header"),
        (jpeg(frame(1, 1), segment(0xDA, b"\0\0\x3f\0")), "scan header"),
        (jpeg(frame(1, 1), scan())[:-2], "no end-of-image"),
        (jpeg(frame(1, 1), scan())[:-1], "no end-of-image"),
    ],
)
def test_broken_jpegs(data: bytes, says: str) -> None:
    assert says in refusal(data)


def test_jpeg_segment_limit() -> None:
    assert look(jpeg(segment(0xE5) * 1_022, frame(1, 1), scan())).width == 1
    assert "too many segments" in refusal(jpeg(segment(0xE5) * 1_023, frame(1, 1), scan()))


def test_jpeg_fill_byte_limit() -> None:
    """64 bytes of 0xFF in place of one."""
    assert look(jpeg(b"\xff" * 63 + frame(2, 1), scan())).width == 2
    assert "too many fill bytes" in refusal(jpeg(b"\xff" * 64 + frame(2, 1), scan()))
    assert "too many fill bytes" in refusal(b"\xff\xd8" + b"\xff" * 100_000)


def test_jpeg_scan_limit() -> None:
    first, more = frame(8, 8, marker=0xC2), scan(1)
    assert look(jpeg(first, more * 256)).width == 8
    assert "too many scans" in refusal(jpeg(first, more * 257))
    # One scan with all components ends a sequential picture, whatever follows.
    assert look(jpeg(frame(8, 8), scan(), more * 300)).width == 8
