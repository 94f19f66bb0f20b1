"""EXIF orientation, wherever a format keeps it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.media.checks import look
from tests.media.files import chunk, exif, frame, jpeg, png, riff, scan, segment, vp8, vp8x


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("order", "kind"), [("<", 3), (">", 3), (">", 4)])
def test_orientation(orientation: int, order: str, kind: int) -> None:
    block = exif(orientation, order=order, kind=kind)
    app1 = segment(0xE1, b"Exif\0\0" + block)
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0")
    assert look(png(1, 1, [b"\1\2\3\4"], before=chunk(b"eXIf", block))).orientation == orientation
    assert look(png(1, 1, [b"\1\2\3\4"], after=chunk(b"eXIf", block))).orientation == orientation
    assert look(jpeg(xmp, app1, frame(1, 1), scan())).orientation == orientation
    assert look(riff(vp8x(3, 2), vp8(3, 2), (b"EXIF", block))).orientation == orientation
    marked = b"Exif\0\0" + block
    assert look(riff(vp8x(3, 2), vp8(3, 2), (b"EXIF", marked))).orientation == orientation


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"MM",
        b"XX\0*" + exif(6)[4:],
        exif(0),
        exif(9),
        exif(6)[:30],
        exif(6).replace(b"\x01\x12\0\x03", b"\x01\x12\0\x02"),  # as a text
        b"MM\0*\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff" + b"\x0f\x01" * 40,
    ],
)
def test_broken_exif_means_upright(block: bytes) -> None:
    assert look(png(1, 1, [b"\1\2\3\4"], before=chunk(b"eXIf", block))).orientation == 1
    assert look(jpeg(segment(0xE1, b"Exif\0\0" + block), frame(1, 1), scan())).orientation == 1
    assert look(riff(vp8x(3, 2), vp8(3, 2), (b"EXIF", block))).orientation == 1


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=80))
def test_any_exif(data: bytes) -> None:
    for block in (data, b"II*\0" + data, b"MM\0*\0\0\0\x08" + data):
        picture = look(png(1, 1, [b"\1\2\3\4"], before=chunk(b"eXIf", block)))
        assert 1 <= picture.orientation <= 8
