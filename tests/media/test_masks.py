"""Masks in every convention, pixel by pixel, on masks written by hand."""

from __future__ import annotations

import io
import re
import struct
import threading
import zlib

import pytest
from PIL import Image

from retouch import Blob, InvalidImage, Mask, Picture
from retouch.media.convert import upright
from retouch.media.masks import check_mask
from retouch.media.pictures import inspect
from tests.media import files
from tests.media.files import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGB_ALPHA,
    SIGNATURE,
    alpha_only,
    chunk,
    exif,
    grey_of,
    idat,
    ihdr,
    photo,
    png,
    stored_rows,
)


def mask_of(data: bytes | Blob) -> Mask:
    blob = data if isinstance(data, Blob) else Blob(data)
    return check_mask(inspect(blob, param="mask"), None)


def opened(blob: Blob) -> Image.Image:
    """Read with Pillow, which is quicker than ``grey_of`` for a photo."""
    image = Image.open(io.BytesIO(blob.read()))
    image.load()
    return image


def refused(mask: Picture, first: Picture | None = None) -> str:
    with pytest.raises(InvalidImage) as caught:
        check_mask(mask, first)
    assert caught.value.param == "mask"
    assert caught.value.code == "invalid_image_file"
    return caught.value.message


SOFT = alpha_only([0, 1, 127], [128, 254, 255])


@pytest.mark.parametrize("rgb", [False, True])
@pytest.mark.parametrize(
    ("white", "binary", "expected"),
    [
        (True, False, [[255, 254, 128], [127, 1, 0]]),
        (True, True, [[255, 255, 255], [0, 0, 0]]),
        (False, False, [[0, 1, 127], [128, 254, 255]]),
        (False, True, [[0, 0, 0], [255, 255, 255]]),
    ],
)
def test_every_convention(white: bool, binary: bool, rgb: bool, expected: list[list[int]]) -> None:
    mask = mask_of(SOFT)
    blob = (mask.white_edits if white else mask.black_edits)(binary=binary, rgb=rgb)
    if rgb:
        width, height, depth, colour, rows = stored_rows(blob)
        assert (width, height, depth, colour) == (3, 2, 8, RGB)
        assert rows == [bytes(level for level in row for _ in range(3)) for row in expected]
    else:
        assert grey_of(blob) == expected


def test_the_clients_bytes_are_openais_convention() -> None:
    for data in (SOFT, png(1, 1, [b"\x07\x00"], colour=GREY_ALPHA)):
        blob = Blob(data + b"and a tail")
        assert mask_of(blob).alpha() is blob


def test_size_and_area() -> None:
    mask = mask_of(SOFT)
    assert mask.size == (3, 2)
    assert mask.edited_area() == 0.5
    assert mask_of(alpha_only([255, 200], [128, 255])).edited_area() == 0.0
    assert mask_of(alpha_only([0, 0, 0, 255])).edited_area() == 0.75


BLACK_WHITE = chunk(b"PLTE", b"\0\0\0\xff\xff\xff\x80\x80\x80")

KINDS = {
    "grey and alpha": (png(3, 1, [bytes((9, 0, 9, 77, 9, 255))], colour=GREY_ALPHA), [0, 77, 255]),
    "grey and alpha, 16 bits": (
        png(2, 1, [struct.pack(">4H", 1, 0x00FF, 2, 0x7FFF)], depth=16, colour=GREY_ALPHA),
        [0, 127],
    ),
    "RGBA, 16 bits": (
        png(3, 1, [struct.pack(">12H", 1, 2, 3, 0, 4, 5, 6, 0x8001, 7, 8, 9, 65_535)], depth=16),
        [0, 128, 255],
    ),
    "palette": (
        png(4, 1, [b"\2\0\1\0"], colour=PALETTE, before=BLACK_WHITE + chunk(b"tRNS", b"\0\x40")),
        # The third colour has no entry, and so is opaque.
        [255, 0, 64, 0],
    ),
    "palette of 2 bits": (
        png(
            5,
            1,
            [bytes((0b00011000, 0b01000000))],
            depth=2,
            colour=PALETTE,
            before=BLACK_WHITE + chunk(b"tRNS", b"\xff\0"),
        ),
        [255, 0, 255, 255, 0],
    ),
    "palette of 1 bit": (
        png(
            3,
            1,
            [b"\xa0"],
            depth=1,
            colour=PALETTE,
            before=chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", b"\0"),
        ),
        [255, 0, 255],
    ),
    "grey key": (
        png(3, 1, [b"\x10\x11\x12"], colour=GREY, before=chunk(b"tRNS", b"\0\x11")),
        [255, 0, 255],
    ),
    "grey key with bits above the depth": (
        png(2, 1, [b"\x10\x11"], colour=GREY, before=chunk(b"tRNS", b"\x01\x11")),
        [255, 0],
    ),
    "grey key of 4 bits": (
        png(4, 1, [b"\x0f\x7f"], depth=4, colour=GREY, before=chunk(b"tRNS", b"\0\x0f")),
        [255, 0, 255, 0],
    ),
    "grey key of 2 bits": (
        png(4, 1, [b"\x1b"], depth=2, colour=GREY, before=chunk(b"tRNS", b"\0\2")),
        [255, 255, 0, 255],
    ),
    "grey key of 1 bit": (
        png(3, 1, [b"\xa0"], depth=1, colour=GREY, before=chunk(b"tRNS", b"\0\1")),
        [0, 255, 0],
    ),
    "grey key of 16 bits": (
        png(
            3,
            1,
            [struct.pack(">3H", 0x1234, 0x1235, 0x1334)],
            depth=16,
            colour=GREY,
            before=chunk(b"tRNS", b"\x12\x34"),
        ),
        [0, 255, 255],
    ),
    "RGB key": (
        png(
            3,
            1,
            [b"\1\2\3\1\2\4\3\2\1"],
            colour=RGB,
            before=chunk(b"tRNS", b"\0\1\0\2\0\3"),
        ),
        [0, 255, 255],
    ),
    "RGB key of 16 bits": (
        png(
            3,
            1,
            [struct.pack(">9H", 256, 513, 3, 256, 512, 3, 256, 513, 4)],
            depth=16,
            colour=RGB,
            before=chunk(b"tRNS", struct.pack(">3H", 256, 513, 3)),
        ),
        [0, 255, 255],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_transparency(kind: str) -> None:
    data, alpha = KINDS[kind]
    mask = mask_of(data)
    assert grey_of(mask.black_edits()) == [alpha]
    assert grey_of(mask.white_edits()) == [[255 - level for level in alpha]]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "key" in kind or "palette" in kind])
def test_transparent_colours_become_an_alpha_channel(kind: str) -> None:
    data, alpha = KINDS[kind]
    width, height, depth, colour, rows = stored_rows(mask_of(data).alpha())
    assert (width, height, depth, colour) == (len(alpha), 1, 8, RGB_ALPHA)
    assert rows == [b"".join(bytes((0, 0, 0, level)) for level in alpha)]


def test_interlaced() -> None:
    """A 2x2 picture has its pixels in the passes 1, 6 (right), 7 (second row)."""
    passes = b"\0\1\1\1\x0a" + b"\0\2\2\2\x14" + b"\0\3\3\3\x1e\4\4\4\x28"
    data = SIGNATURE + ihdr(2, 2, interlace=1) + chunk(b"IDAT", zlib.compress(passes))
    assert grey_of(mask_of(data + chunk(b"IEND")).black_edits()) == [[10, 20], [30, 40]]


def test_notes_and_profiles_do_not_matter() -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000)))
    notes = chunk(b"gAMA", b"\0\0\xb1\x8f") + bomb + chunk(b"iCCP", b"x\0\0broken")
    data = png(1, 1, [b"\1\2\3\x28"], before=notes, after=chunk(b"eXIf", b"broken") + bomb)
    assert grey_of(mask_of(data).black_edits()) == [[40]]


def test_the_photo_under_the_hole_never_shows() -> None:
    """The mask keeps the photo's colours everywhere; the hole is the spoon."""
    blob = photo("coffee-mask.png")
    mask = mask_of(blob)
    assert mask.alpha() is blob
    white, black = opened(mask.white_edits()), opened(mask.black_edits())
    assert white.mode == black.mode == "L"
    assert white.size == black.size == mask.size == (600, 400)
    assert white.getcolors() == [(240_000 - 11_640, 0), (11_640, 255)]
    assert black.tobytes() == bytes(255 - level for level in white.tobytes())
    # In the bowl, on the neck, at the end of the handle.
    assert [white.getpixel(at) for at in [(367, 280), (400, 170), (412, 80)]] == [255, 255, 255]
    # In the coffee, on the saucer, on the rim of the cup, in the corners.
    outside = [(317, 130), (430, 255), (387, 55), (0, 0), (599, 0), (0, 399), (599, 399)]
    assert [white.getpixel(at) for at in outside] == [0] * 7
    assert mask.edited_area() == 11_640 / 240_000


def test_the_rocket_mask() -> None:
    white = opened(mask_of(photo("rocket-mask.png")).white_edits(binary=True))
    assert white.getcolors() == [(640 * 427 - 12_116, 0), (12_116, 255)]
    assert white.getbbox() == (418, 116, 481, 427)


def picture(width: int, height: int, orientation: int = 1) -> Picture:
    block = chunk(b"eXIf", exif(orientation))
    rows = [bytes(4 * width)] * height
    return inspect(Blob(png(width, height, rows, before=block)))


def test_what_is_no_mask() -> None:
    first = picture(3, 2)
    assert "must be a PNG" in refused(inspect(photo("rocket.jpg"), param="mask"), first)
    lossless = files.riff(files.vp8l(3, 2, alpha=True))
    assert "must be a PNG" in refused(inspect(Blob(lossless)), first)
    for data in (
        png(3, 2, [bytes(9)] * 2, colour=RGB),
        png(3, 2, [bytes(3)] * 2, colour=GREY),
        png(3, 2, [bytes(3)] * 2, colour=PALETTE, before=BLACK_WHITE),
    ):
        assert "no alpha channel" in refused(inspect(Blob(data)), first)


@pytest.mark.parametrize("size", [(2, 3), (3, 3), (4, 2), (6, 4), (1, 1)])
def test_a_mask_of_another_size(size: tuple[int, int]) -> None:
    says = refused(inspect(Blob(png(*size, [bytes(4 * size[0])] * size[1]))), picture(3, 2))
    assert f"{size[0]}x{size[1]}" in says
    assert "3x2" in says


def test_the_weight_limit() -> None:
    """4 MiB and more are refused; one byte less is not."""
    room = 4 * 1024 * 1024 - len(SOFT) - 12
    too_heavy = SOFT[:-12] + chunk(b"noTe", bytes(room)) + SOFT[-12:]
    assert len(too_heavy) == 4_194_304
    assert "4 MB" in refused(inspect(Blob(too_heavy)))
    just_right = SOFT[:-12] + chunk(b"noTe", bytes(room - 1)) + SOFT[-12:]
    assert grey_of(mask_of(just_right).black_edits())[1] == [128, 254, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_takes_masks_of_both_sizes(orientation: int) -> None:
    stored, displayed = (3, 2), (2, 3) if orientation >= 5 else (3, 2)
    first = picture(*stored, orientation)
    for size in (stored, displayed):
        mask = inspect(Blob(png(*size, [bytes(4 * size[0])] * size[1])))
        assert check_mask(mask, first).size == size
    if orientation < 5:
        assert "3x2" in refused(inspect(Blob(png(2, 3, [bytes(8)] * 3))), first)


#: What 1 2 3 / 4 5 6 shows under each orientation: EXIF names the side of the first row, then
#: the side of the first column (5: left, top; 6: right, top; 7: right, bottom; 8: left, bottom).
TURNED = {
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(orientation: int) -> None:
    """A mask of the stored size turns with the picture; one of the displayed size does not."""
    first = picture(3, 2, orientation)
    stored = check_mask(inspect(Blob(alpha_only([1, 2, 3], [4, 5, 6]))), first)
    turned = stored.upright()
    expected = TURNED.get(orientation, [[1, 2, 3], [4, 5, 6]])
    assert grey_of(turned.black_edits()) == expected
    assert turned.size == (len(expected[0]), len(expected))
    assert turned.upright() is turned
    displayed = upright(first)
    assert turned.size == (displayed.width, displayed.height)
    if orientation >= 5:
        mask = check_mask(inspect(Blob(alpha_only([1, 2], [3, 4], [5, 6]))), first)
        assert mask.upright() is mask


BROKEN = {
    "too few rows": SIGNATURE + ihdr(2, 3) + idat([bytes(8), bytes(8)]) + chunk(b"IEND"),
    # Its passes have 6, 6, 12, 24 and 40 bytes: 88. Without passes 80 would be enough.
    "a row too few, interlaced": SIGNATURE
    + ihdr(2, 16, colour=GREY_ALPHA, interlace=1)
    + chunk(b"IDAT", zlib.compress(bytes(83)))
    + chunk(b"IEND"),
    "no deflate": SIGNATURE + ihdr(1, 1) + chunk(b"IDAT", b"pixels") + chunk(b"IEND"),
    "an unknown filter": SIGNATURE
    + ihdr(1, 1)
    + chunk(b"IDAT", zlib.compress(b"\x09\1\2\3\4"))
    + chunk(b"IEND"),
    "a cut stream": SIGNATURE
    + ihdr(1, 1)
    + chunk(b"IDAT", zlib.compress(b"\0\1\2\3\4")[:6])
    + chunk(b"IEND"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("method", ["white_edits", "black_edits", "edited_area"])
def test_broken_pixels(name: str, method: str) -> None:
    """Above all missing rows, which Pillow fills with zeros: alpha 0, edit everything."""
    mask = mask_of(BROKEN[name])
    with pytest.raises(InvalidImage) as caught:
        getattr(mask, method)()
    error = caught.value
    assert error.param == "mask"
    assert re.fullmatch(r"`mask` is (damaged|cut off): [a-zA-Z ]+\.", error.message)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_many_pixels_raise_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above its limit Pillow warns, and above twice the limit it refuses."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2)
    with pytest.raises(Image.DecompressionBombError), Image.open(io.BytesIO(SOFT)):
        pass
    assert grey_of(mask_of(SOFT).black_edits()) == [[0, 1, 127], [128, 254, 255]]


def test_several_threads_at_once() -> None:
    mask = mask_of(photo("coffee-mask.png"))
    found: list[Blob] = []
    threads = [threading.Thread(target=lambda: found.append(mask.white_edits())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({blob.sha256() for blob in found}) == 1


def test_repr_shows_no_bytes() -> None:
    assert repr(mask_of(SOFT)) == "<Mask of 3x2 pixels>"
