"""The structure check: what it learns, what it refuses, and that nothing else escapes it."""

from __future__ import annotations

import io
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from retouch import Blob, InvalidImage
from retouch.media.pictures import inspect
from tests.media import files
from tests.media.checks import changed, inspected, look, refusal, saved, with_right_checksums
from tests.media.files import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    PHOTOS,
    RGB,
    RGB_ALPHA,
    SIGNATURE,
    chunk,
    exif,
    frame,
    ihdr,
    jpeg,
    photo,
    png,
    riff,
    scan,
    vp8,
    vp8l,
    vp8x,
)

SMALL = {
    "png": saved("PNG"),
    "jpeg": saved("JPEG"),
    "progressive": saved("JPEG", progressive=True),
    "webp": saved("WEBP", exif=b"Exif\0\0" + exif(3)),
    "lossless": saved("WEBP", lossless=True),
}


@pytest.mark.parametrize(
    ("name", "format", "size", "alpha"),
    [
        ("rocket.jpg", "jpeg", (640, 427), False),
        ("rocket-mask.png", "png", (640, 427), True),
        ("coffee.png", "png", (600, 400), False),
        ("coffee-mask.png", "png", (600, 400), True),
        ("chelsea.png", "png", (451, 300), False),
        ("astronaut.png", "png", (512, 512), False),
    ],
)
def test_the_photos(name: str, format: str, size: tuple[int, int], alpha: bool) -> None:
    blob = photo(name)
    picture = inspect(blob, inline=True)
    assert (picture.format, picture.width, picture.height) == (format, *size)
    assert (picture.alpha, picture.orientation, picture.inline) == (alpha, 1, True)
    assert picture.blob is blob


@pytest.mark.parametrize("name", SMALL)
def test_every_cut_of_a_picture_is_refused(name: str) -> None:
    data = SMALL[name]
    assert look(data).width == 9
    for length in range(len(data)):
        refusal(data[:length])


@pytest.mark.parametrize("name", SMALL)
def test_bytes_after_the_end_are_accepted(name: str) -> None:
    assert look(SMALL[name] + b"PK\x03\x04 and a script").width == 9


@pytest.mark.parametrize(
    ("start", "named"),
    [
        (b"GIF89a", "a GIF;"),
        (b"II*\0\x08\0\0\0", "a TIFF;"),
        (b"MM\0*\0\0\0\x08", "a TIFF;"),
        (b"BM\x36\x00", "a BMP;"),
        (b"%PDF-1.7", "a PDF;"),
        (b"<svg xmlns=", "an SVG;"),
        (b"\0\0\0\x20ftypavif", "an AVIF;"),
        (b"\0\0\0\x18ftypheic", "a HEIC;"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not a picture in a known format;"),
        (b"iVBORw0KGgoAAAANSUhEUg", "not a picture in a known format;"),
        (b"\0", "not a picture in a known format;"),
    ],
)
def test_other_formats_are_named(start: bytes, named: str) -> None:
    with pytest.raises(InvalidImage) as caught:
        inspect(Blob(start + bytes(64)), param="mask")
    assert caught.value.code == "unsupported_image_format"
    assert caught.value.status == 400
    assert caught.value.message == f"`mask` is {named} PNG, JPEG and WebP pictures are accepted."


def test_nothing_at_all() -> None:
    assert refusal(b"", "markup") == "`markup` is empty."


KEY = chunk(b"tRNS", bytes(6))
COLOURS = chunk(b"PLTE", bytes(6))


@pytest.mark.parametrize(
    ("data", "alpha"),
    [
        (png(1, 1, [b"\0"], colour=GREY), False),
        (png(1, 1, [b"\0"], colour=GREY, before=chunk(b"tRNS", bytes(2))), True),
        (png(1, 1, [b"\0\0\0"], colour=RGB), False),
        (png(1, 1, [b"\0\0\0"], colour=RGB, before=KEY), True),
        (png(1, 1, [b"\0"], colour=PALETTE, before=COLOURS), False),
        (png(1, 1, [b"\0"], colour=PALETTE, before=COLOURS + chunk(b"tRNS", b"\0")), True),
        (png(1, 1, [b"\0\0"], colour=GREY_ALPHA), True),
        (png(1, 1, [b"\0\0\0\0"], colour=RGB_ALPHA), True),
        (jpeg(frame(1, 1), scan()), False),
        (riff(vp8(3, 2)), False),
        (riff(vp8l(3, 2)), False),
        (riff(vp8l(3, 2, alpha=True)), True),
        (riff(vp8x(3, 2), vp8(3, 2)), False),
        (riff(vp8x(3, 2, flags=0x10), (b"ALPH", b"\0"), vp8(3, 2)), True),
    ],
)
def test_alpha(data: bytes, alpha: bool) -> None:
    assert look(data).alpha is alpha


STARTS = [
    b"",
    SIGNATURE,
    SIGNATURE + ihdr(3, 2),
    SIGNATURE + ihdr(3, 2, colour=PALETTE) + COLOURS,
    b"\xff\xd8\xff",
    b"\xff\xd8" + frame(3, 2),
    b"\xff\xd8" + frame(3, 2, marker=0xC2) + scan(1),
    b"RIFF\xff\0\0\0WEBP",
    riff(vp8x(3, 2)),
]


@settings(max_examples=300, deadline=None)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=400))
def test_any_bytes(start: bytes, rest: bytes) -> None:
    inspected(start + rest)


@pytest.mark.parametrize("name", sorted(path.name for path in PHOTOS.glob("*.*g")))
def test_damaged_photos(name: str) -> None:
    data = (PHOTOS / name).read_bytes()
    chance = random.Random(name)
    refused = 0
    for number in range(80):
        damaged = changed(data, chance)
        if number % 2 and damaged.startswith(SIGNATURE):
            damaged = with_right_checksums(damaged)
        refused += inspected(damaged) is None
    assert refused >= 20


@pytest.mark.parametrize("name", SMALL)
def test_sizes_agree_with_pillow_on_whatever_it_can_decode(name: str) -> None:
    chance = random.Random(name)
    agreed = 0
    for _ in range(150):
        damaged = changed(SMALL[name], chance)
        if name == "png":
            damaged = with_right_checksums(damaged)
        picture = inspected(damaged)
        if picture is None:
            continue
        try:
            with Image.open(io.BytesIO(damaged)) as image:
                image.load()
                assert (picture.width, picture.height) == image.size
        except (OSError, SyntaxError, ValueError, Warning):
            continue
        agreed += 1
    assert agreed


def test_nothing_of_this_imports_pillow() -> None:
    code = (
        "import sys, retouch\n"
        "from retouch.media import convert, masks, pictures\n"
        "pictures.inspect(retouch.Blob(open(sys.argv[1], 'rb').read()))\n"
        "sys.exit('PIL' in sys.modules)"
    )
    argument = str(PHOTOS / "coffee-mask.png")
    assert subprocess.run([sys.executable, "-c", code, argument], check=False).returncode == 0


def test_the_writers_agree_with_pillow() -> None:
    """The hand-made pictures are right, so refusing one means what it seems to mean."""
    with Image.open(io.BytesIO(files.rgba([(1, 2, 3, 4), (5, 6, 7, 8)]))) as image:
        assert image.tobytes() == bytes(range(1, 9))
