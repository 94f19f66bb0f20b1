"""Conversions, judged by pixels known beforehand and read back with another reader."""

from __future__ import annotations

import io
import random
import struct
from typing import cast

import pytest
from PIL import Image, ImageCms

from retouch import Blob, InvalidImage, Picture
from retouch.media.blob import CHUNK_SIZE, SPOOL_THRESHOLD, budget
from retouch.media.convert import convert, flatten, upright
from retouch.media.pictures import inspect
from retouch.types import PictureFormat
from tests.media import files
from tests.media.files import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGB_ALPHA,
    SIGNATURE,
    chunk,
    exif,
    ihdr,
    photo,
    png,
    stored_rows,
)

FORMATS: tuple[PictureFormat, ...] = ("png", "jpeg", "webp")
COLOURS = [(255, 0, 0), (0, 128, 255), (10, 200, 30), (1, 2, 3), (250, 251, 252), (0, 0, 0)]


def opened(blob: Blob) -> Image.Image:
    image = Image.open(io.BytesIO(blob.read()))
    image.load()
    return image


def pixels(blob: Blob, mode: str = "RGB") -> list[tuple[int, ...]]:
    image = opened(blob).convert(mode)
    data = image.tobytes()
    step = len(image.getbands())
    return [tuple(data[place : place + step]) for place in range(0, len(data), step)]


def pillow(image: Image.Image, format: str, **options: object) -> Blob:
    out = io.BytesIO()
    image.save(out, format, **options)
    return Blob(out.getvalue())


def palette_of_colours() -> Image.Image:
    image = Image.new("RGB", (3, 2))
    image.putdata(COLOURS)
    return image


def mean_difference(one: Image.Image, two: Image.Image) -> float:
    pairs = zip(one.convert("RGB").tobytes(), two.convert("RGB").tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / (3 * one.width * one.height)


def test_webp_to_png_keeps_every_pixel() -> None:
    webp = pillow(palette_of_colours(), "WEBP", lossless=True)
    width, height, depth, colour, rows = stored_rows(convert(webp, "webp", "png"))
    assert (width, height, depth, colour) == (3, 2, 8, RGB)
    assert b"".join(rows) == bytes(sum(COLOURS, ()))


def test_webp_to_png_keeps_alpha() -> None:
    stored = [(255, 0, 0, 255), (0, 255, 0, 128), (1, 2, 3, 1)]
    image = Image.new("RGBA", (3, 1))
    image.putdata(stored)
    webp = pillow(image, "WEBP", lossless=True, exact=True)
    _, _, _, colour, rows = stored_rows(convert(webp, "webp", "png"))
    assert (colour, rows) == (RGB_ALPHA, [bytes(sum(stored, ()))])


@pytest.mark.parametrize("compression", [None, 100])
def test_png_to_webp_without_compression_is_lossless(compression: int | None) -> None:
    webp = convert(photo("chelsea.png"), "png", "webp", compression=compression)
    assert opened(webp).format == "WEBP"
    assert webp.size < photo("chelsea.png").size
    assert opened(webp).tobytes() == opened(photo("chelsea.png")).tobytes()


@pytest.mark.parametrize("target", ["jpeg", "webp"])
def test_compression_is_quality_in_percent(target: PictureFormat) -> None:
    source = pillow(opened(photo("chelsea.png")).crop((150, 60, 310, 180)), "PNG")
    sizes, differences = [], []
    for compression in (0, 30, 60, 90, 100):
        blob = convert(source, "png", target, compression=compression)
        assert inspect(blob).format == target
        sizes.append(blob.size)
        differences.append(mean_difference(opened(blob), opened(source)))
    assert sizes == sorted(sizes)
    assert differences == sorted(differences, reverse=True)
    assert differences[0] > 4
    assert differences[-1] < 1
    whole = convert(source, "png", target)
    assert whole.read() == convert(source, "png", target, compression=100).read()


def test_nothing_to_do_gives_the_same_blob() -> None:
    for source in FORMATS:
        blob = Blob(b"is not even looked at")
        assert convert(blob, source, source) is blob
        assert convert(blob, source, source, compression=100) is blob
    assert convert(blob, "png", "png", compression=10) is blob


def test_the_same_format_at_another_quality() -> None:
    small = convert(photo("rocket.jpg"), "jpeg", "jpeg", compression=20)
    assert (inspect(small).format, inspect(small).width) == ("jpeg", 640)
    assert small.size < photo("rocket.jpg").size / 4


def test_a_jpeg_lies_on_white() -> None:
    """Flat blocks of 8x8, so that JPEG changes their colours little."""
    row = [(255, 0, 0, 0)] * 8 + [(255, 0, 0, 255)] * 8 + [(0, 0, 0, 128)] * 8
    jpeg = opened(convert(Blob(files.rgba(*[row] * 8)), "png", "jpeg"))
    assert jpeg.mode == "RGB"
    expected = [(255, 255, 255), (255, 0, 0), (127, 127, 127)]
    for block, colour in enumerate(expected):
        found = cast("tuple[int, ...]", jpeg.getpixel((8 * block + 4, 4)))
        assert all(abs(a - b) <= 2 for a, b in zip(found, colour, strict=True))


PLTE = chunk(b"PLTE", bytes(sum(COLOURS, ())))
KINDS = {
    "1 bit": (png(3, 1, [b"\xa0"], depth=1, colour=GREY), [(255,) * 3, (0,) * 3, (255,) * 3]),
    "2 bits": (png(2, 1, [b"\x60"], depth=2, colour=GREY), [(85,) * 3, (170,) * 3]),
    "grey": (png(2, 1, [b"\x07\xf8"], colour=GREY), [(7,) * 3, (248,) * 3]),
    "16 bits": (
        png(3, 1, [struct.pack(">3H", 0, 0x80FF, 65_535)], depth=16, colour=GREY),
        [(0,) * 3, (128,) * 3, (255,) * 3],
    ),
    "RGB, 16 bits": (
        png(1, 1, [struct.pack(">3H", 0x01FF, 0x7F00, 65_535)], depth=16, colour=RGB),
        [(1, 127, 255)],
    ),
    "grey and alpha, 16 bits": (
        png(1, 1, [struct.pack(">2H", 0x2030, 65_535)], depth=16, colour=GREY_ALPHA),
        [(32, 32, 32)],
    ),
    "palette": (png(6, 1, [bytes(range(6))], colour=PALETTE, before=PLTE), COLOURS),
    "palette of 4 bits": (
        png(3, 1, [b"\x01\x20"], depth=4, colour=PALETTE, before=PLTE),
        COLOURS[:3],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_png(kind: str) -> None:
    data, expected = KINDS[kind]
    assert pixels(convert(Blob(data), "png", "webp")) == expected
    jpeg = convert(Blob(data), "png", "jpeg")
    assert (inspect(jpeg).width, inspect(jpeg).format) == (len(expected), "jpeg")


def test_transparent_colours() -> None:
    data = png(3, 1, [b"\0\1\2"], colour=PALETTE, before=PLTE + chunk(b"tRNS", b"\xff\0\x40"))
    found = pixels(convert(Blob(data), "png", "webp"), "RGBA")
    assert [alpha for *_, alpha in found] == [255, 0, 64]
    assert found[0][:3] == COLOURS[0]


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_kinds_of_jpeg(mode: str) -> None:
    image = Image.new(mode, (8, 8), (0, 255, 255, 0) if mode == "CMYK" else 100)
    red = convert(pillow(image, "JPEG", quality=100), "jpeg", "png")
    expected = (255, 0, 0) if mode == "CMYK" else (100, 100, 100)
    assert all(abs(a - b) <= 2 for a, b in zip(pixels(red)[9], expected, strict=True))
    assert stored_rows(red)[3] == (RGB if mode == "CMYK" else GREY)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
#: Only what a profile calls its colours matters here.
GREY_PROFILE = SRGB[:16] + b"GRAY" + SRGB[20:]
CMYK_PROFILE = SRGB[:16] + b"CMYK" + SRGB[20:]


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_profile_and_orientation_stay_and_all_else_goes(
    source: PictureFormat, target: PictureFormat
) -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x8825] = 6, "a camera", {1: "N", 2: (60.0, 10.0, 5.0)}
    blob = pillow(
        palette_of_colours(), source.upper(), icc_profile=SRGB, exif=tags, comment="a comment"
    )
    assert b"a camera" in blob.read()
    result = convert(blob, source, target, compression=99)
    if source == target == "png":
        assert result is blob
        return
    image = opened(result)
    assert image.info["icc_profile"] == SRGB
    assert dict(image.getexif()) == {0x0112: 6}
    assert inspect(result).orientation == 6
    assert image.size == (3, 2)
    assert b"a camera" not in result.read()
    assert b"a comment" not in result.read()


def test_an_upright_picture_gets_no_exif() -> None:
    result = convert(photo("rocket.jpg"), "jpeg", "png").read()
    assert b"eXIf" not in result
    assert (
        opened(photo("rocket.jpg")).info["icc_profile"] == opened(Blob(result)).info["icc_profile"]
    )


def test_a_profile_that_no_longer_fits_goes() -> None:
    cmyk = pillow(Image.new("CMYK", (8, 8)), "JPEG", icc_profile=CMYK_PROFILE)
    assert "icc_profile" not in opened(convert(cmyk, "jpeg", "png")).info
    grey = pillow(Image.new("L", (8, 8)), "JPEG", icc_profile=GREY_PROFILE)
    assert opened(convert(grey, "jpeg", "png")).info["icc_profile"] == GREY_PROFILE
    # A WebP has no grey.
    assert "icc_profile" not in opened(convert(grey, "jpeg", "webp")).info


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        ((255, 255, 255), [255, 255, 255, 10, 20, 30, 127, 127, 127]),
        ((0, 100, 200), [0, 100, 200, 10, 20, 30, 0, 50, 100]),
    ],
)
def test_flatten(background: tuple[int, int, int], expected: list[int]) -> None:
    data = files.rgba([(10, 20, 30, 0), (10, 20, 30, 255), (0, 0, 0, 128)])
    _, _, depth, colour, rows = stored_rows(flatten(Blob(data), "png", background))
    assert (depth, colour) == (8, RGB)
    assert all(abs(a - b) <= 1 for a, b in zip(rows[0], expected, strict=True))


def test_flatten_other_kinds() -> None:
    grey = stored_rows(flatten(Blob(png(1, 1, [b"\x28\0"], colour=GREY_ALPHA)), "png"))
    assert (grey[3], grey[4]) == (RGB, [b"\xff\xff\xff"])
    opaque = flatten(photo("rocket.jpg"), "jpeg")
    assert opened(opaque).tobytes() == opened(photo("rocket.jpg")).tobytes()
    turned = png(1, 1, [b"\1\2\3\0"], before=chunk(b"eXIf", exif(8)))
    assert inspect(flatten(Blob(turned), "png")).orientation == 8
    assert inspect(flatten(Blob(turned), "png")).alpha is False


#: What A B C / D E F shows. EXIF names where the first row and the first column lie:
#: 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top,
#: 7 right bottom, 8 left bottom.
DISPLAYED = {
    1: ["ABC", "DEF"],
    2: ["CBA", "FED"],
    3: ["FED", "CBA"],
    4: ["DEF", "ABC"],
    5: ["AD", "BE", "CF"],
    6: ["DA", "EB", "FC"],
    7: ["FC", "EB", "DA"],
    8: ["CF", "BE", "AD"],
}


@pytest.mark.parametrize("orientation", DISPLAYED)
@pytest.mark.parametrize("format", ["png", "webp"])
def test_upright(orientation: int, format: PictureFormat) -> None:
    letters = dict(zip("ABCDEF", COLOURS, strict=True))
    tags = Image.Exif()
    tags[0x0112] = orientation
    options = {"lossless": True} if format == "webp" else {}
    picture = inspect(pillow(palette_of_colours(), format.upper(), exif=tags, **options))
    result = upright(picture)
    rows = DISPLAYED[orientation]
    assert pixels(result.blob) == [letters[letter] for row in rows for letter in row]
    assert (result.width, result.height) == (len(rows[0]), len(rows))
    assert result == Picture(
        blob=result.blob, format=format, width=len(rows[0]), height=len(rows), orientation=1
    )
    assert inspect(result.blob) == result
    assert (result is picture) is (orientation == 1)


def test_upright_jpeg() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    turned = pillow(opened(photo("rocket.jpg")), "JPEG", quality=95, exif=tags)
    result = upright(inspect(turned))
    assert (result.format, result.width, result.height) == ("jpeg", 427, 640)
    clockwise = opened(turned).transpose(Image.Transpose.ROTATE_270)
    assert mean_difference(opened(result.blob), clockwise) < 0.5


def test_a_large_result_goes_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "limit", 0)
    noise = Image.frombytes("RGB", (700, 700), random.Random(3).randbytes(3 * 700 * 700))
    result = convert(pillow(noise, "WEBP", lossless=True, quality=0, method=0), "webp", "png")
    assert result.size > SPOOL_THRESHOLD + CHUNK_SIZE
    assert "on disk" in repr(result)
    assert opened(result).tobytes() == noise.tobytes()


def test_too_wide_for_a_webp() -> None:
    wide = Blob(png(16_384, 1, [bytes(3 * 16_384)], colour=RGB))
    with pytest.raises(InvalidImage, match="at most 16383 a side"):
        convert(wide, "png", "webp")
    assert inspect(convert(wide, "png", "jpeg")).width == 16_384


def _cut(name: str, format: str, **options: object) -> bytes:
    """A file whose structure is whole, and whose pixel data is not."""
    data = pillow(opened(photo(name)), format, **options).read()
    if format == "JPEG":
        return data[: len(data) // 2] + b"\xff\xd9"
    half = data[: 12 + len(data) // 4 * 2]
    length = len(half) - 20
    return (
        half[:4]
        + struct.pack("<I", len(half) - 8)
        + half[8:16]
        + struct.pack("<I", length)
        + half[20:]
    )


BROKEN: dict[str, tuple[bytes, PictureFormat]] = {
    "png": (SIGNATURE + ihdr(9, 9) + chunk(b"IDAT", b"none") + chunk(b"IEND"), "png"),
    "png of too few rows": (png(2, 3, [bytes(8)] * 2), "png"),
    "jpeg without tables": (files.jpeg(files.frame(8, 8), files.scan()), "jpeg"),
    "jpeg with an unknown table": (
        files.jpeg(files.segment(0xDB, b"\x20" + bytes(64)), files.frame(8, 8), files.scan()),
        "jpeg",
    ),
    "webp": (_cut("chelsea.png", "WEBP"), "webp"),
    "webp, lossless": (_cut("chelsea.png", "WEBP", lossless=True), "webp"),
    "webp of nonsense": (files.riff(files.vp8l(30, 20)), "webp"),
    "another format": (b"GIF89a", "png"),
    "nothing": (b"", "webp"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pictures(name: str) -> None:
    data, source = BROKEN[name]
    target: PictureFormat = "jpeg" if source != "jpeg" else "png"
    with pytest.raises(InvalidImage, match=r"^`mask` is [a-zA-Z ,:;]+\.$") as caught:
        convert(Blob(data), source, target, param="mask")
    assert caught.value.param == "mask"
    with pytest.raises(InvalidImage) as again:
        flatten(Blob(data), source, param="mask")
    assert again.value.message == caught.value.message


def test_broken_exif_raises_no_warning() -> None:
    """Pillow looks for a resolution in EXIF and warns when it is broken; here it never does."""
    data = photo("rocket.jpg").read()
    broken = files.segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x1a\x01" * 30)
    # Without the JFIF segment that holds a resolution.
    stripped = data[:2] + broken + data[2 + 2 + int.from_bytes(data[4:6], "big") :]
    with pytest.warns(UserWarning, match="EXIF"):
        opened(Blob(stripped))
    assert inspect(convert(Blob(stripped), "jpeg", "png")).width == 640
