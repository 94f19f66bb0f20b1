from __future__ import annotations

import io

import pytest
from PIL import Image

from retouch.testing import samples


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_png_has_the_pixels_of_its_rows() -> None:
    image = opened(samples.png(2, 2, [b"\1\2\3\4\5\6", b"\7\10\11\12\13\14"]))
    assert (image.mode, image.size) == ("RGB", (2, 2))
    assert image.tobytes() == bytes(range(1, 13))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_picture_is_of_one_colour_and_gets_lighter(kind: str) -> None:
    image = opened(samples.picture(16, 8, colour=(40, 120, 200), format=kind))  # type: ignore[arg-type]
    assert (image.format, image.size) == (kind.upper(), (16, 8))
    pixels = image.convert("RGB")
    for corner, expected in (((0, 0), (40, 120, 200)), ((15, 7), (68, 148, 228))):
        found = pixels.getpixel(corner)
        assert isinstance(found, tuple)
        assert all(abs(a - b) <= 4 for a, b in zip(found, expected, strict=True))


def test_a_mask_is_transparent_in_its_hole_only() -> None:
    image = opened(samples.mask(32, 16, (24, 0, 32, 4)))
    assert image.mode == "RGBA"
    clear = {
        (x, y) for x in range(32) for y in range(16) if image.getchannel("A").getpixel((x, y)) == 0
    }
    assert clear == {(x, y) for x in range(24, 32) for y in range(4)}
    assert image.getchannel("A").getextrema() == (0, 255)


def test_the_colours_of_a_mask_say_nothing() -> None:
    image = opened(samples.mask(32, 16, (0, 0, 16, 8)))
    black, white = (0, 0, 0), (255, 255, 255)
    for box, squares in (((0, 0, 16, 8), 1), ((16, 0, 32, 16), 2)):
        counts = {
            colour: count for count, colour in image.convert("RGB").crop(box).getcolors() or ()
        }
        assert counts == {black: 64 * squares, white: 64 * squares}


def test_a_spot_is_red_and_white() -> None:
    image = opened(samples.spotted(16, 16, (4, 4, 8, 8)))
    assert {colour for _, colour in image.crop((4, 4, 8, 8)).getcolors() or ()} == {
        (255, 0, 0),
        (255, 255, 255),
    }
    assert image.getpixel((3, 3)) == (40 + 6, 120 + 6, 200 + 6)


def test_the_large_picture_is_spooled_to_a_file() -> None:
    assert 1024 * 1024 < len(samples.large()) < 1_200_000
    assert opened(samples.large()).size == (600, 600)


def test_a_flat_picture_has_extreme_sizes() -> None:
    assert opened(samples.flat(9_000, 1)).size == (9_000, 1)


def test_the_result_is_a_picture() -> None:
    assert opened(samples.RESULT).size == (48, 40)
