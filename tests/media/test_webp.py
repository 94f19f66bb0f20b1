"""The walk over WebP chunks."""

from __future__ import annotations

import pytest

from tests.media.checks import look, refusal
from tests.media.files import riff, vp8l, vp8x


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (riff(), "without pixel data"),
        (riff((b"EXIF", b"")), "without pixel data"),
        (riff(vp8x(3, 2)), "without pixel data"),
        (riff(vp8x(3, 2), (b"ALPH", b"\0\0")), "without pixel data"),
        (riff(vp8x(3, 2, flags=0x02)), "animated WebP"),
        (riff(vp8x(3, 2), (b"ANMF", bytes(24))), "animated WebP"),
        (riff(vp8x(3, 2), vp8l(3, 3)), "two different sizes"),
        (riff((b"VP8X", bytes(9))), "too short"),
        (riff((b"VP8L", b"\x2e" + bytes(9))), "no proper header"),
        (riff((b"VP8L", b"\x2f\0\0\0")), "no proper header"),
        (riff((b"VP8L", b"\x2f\0\0\0\x20")), "no proper header"),
        (riff((b"VP8 ", bytes(10))), "no proper header"),
        (riff((b"VP8 ", b"\x11\0\0\x9d\x01\x2a\x01\0\x01\0")), "no proper header"),
        (riff(vp8l(3, 2))[:16] + b"\xff" * 4 + riff(vp8l(3, 2))[20:], "longer than the file"),
    ],
)
def test_broken_webps(data: bytes, says: str) -> None:
    assert says in refusal(data)


def test_webp_chunk_limit() -> None:
    notes = [(b"note", b"")]
    assert look(riff(vp8x(3, 2), vp8l(3, 2), *notes * 4_093)).width == 3
    assert "too many chunks" in refusal(riff(vp8x(3, 2), vp8l(3, 2), *notes * 4_094))
