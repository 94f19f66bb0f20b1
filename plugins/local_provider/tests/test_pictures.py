from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngImageFile

from plugins.local_provider.tests.samples import file_of, levels, opened, painted, picture_of
from retouch import Blob, InvalidImage, Picture
from retouch_local import pictures
from retouch_local.grammar import Size

RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = RGB_PROFILE[:16] + b"GRAY" + RGB_PROFILE[20:]
ORIENTATION, ARTIST = 0x0112, 0x013B


def loaded(image: Image.Image, **options: Any) -> Image.Image:
    return pictures.load(picture_of(image, **options))


def test_rgb_comes_as_it_is() -> None:
    image = painted(3, 1, "rg.")
    result = loaded(image)
    assert result.mode == "RGB"
    assert levels(result).tolist() == levels(image).tolist()


def test_grey_becomes_rgb() -> None:
    result = loaded(Image.new("L", (2, 1), 90))
    assert (result.mode, result.getpixel((1, 0))) == ("RGB", (90, 90, 90))


def test_sixteen_bits_keep_the_upper_eight() -> None:
    image = Image.fromarray(np.array([[0, 255, 256, 0x8000, 0xFFFF]], np.uint16))
    assert levels(loaded(image))[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_sixteen_bits_with_a_transparent_level() -> None:
    """PNG's tRNS holds all 16 bits: what differs in the lower ones only is opaque."""
    image = Image.fromarray(np.array([[0x1234, 0x1235, 0x12FF, 0xFFFF]], np.uint16))
    result = loaded(image, transparency=0x1234)
    assert result.mode == "RGBA"
    assert levels(result)[0].tolist() == [
        [0x12, 0x12, 0x12, 0],
        [0x12, 0x12, 0x12, 255],
        [0x12, 0x12, 0x12, 255],
        [255, 255, 255, 255],
    ]
    upright = loaded(image, transparency=0x1234, orientation=3)
    assert levels(upright)[0, :, 3].tolist() == [255, 255, 255, 0]


def test_a_palette_with_a_transparent_colour_becomes_rgba() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    result = loaded(image, transparency=1)
    assert result.mode == "RGBA"
    assert levels(result).tolist() == [[[10, 20, 30, 255], [40, 50, 60, 0]]]


def test_an_opaque_palette_becomes_rgb() -> None:
    image = Image.new("P", (1, 1))
    image.putpalette([10, 20, 30])
    assert levels(loaded(image)).tolist() == [[[10, 20, 30]]]


def test_grey_with_alpha_becomes_rgba() -> None:
    assert levels(loaded(Image.new("LA", (1, 1), (90, 5)))).tolist() == [[[90, 90, 90, 5]]]


def test_cmyk_becomes_rgb() -> None:
    # Full cyan and nothing else: no red, all green and blue.
    result = loaded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), format="JPEG", quality=100)
    assert result.mode == "RGB"
    assert np.abs(levels(result) - (0, 255, 255)).max() <= 2


@pytest.mark.parametrize(
    ("orientation", "shown"),
    # The letters of "rg" over "bw", as EXIF 2.32 says where the stored rows and columns go.
    [
        (1, ["rg", "bw"]),
        (2, ["gr", "wb"]),
        (3, ["wb", "gr"]),
        (4, ["bw", "rg"]),
        (5, ["rb", "gw"]),
        (6, ["br", "wg"]),
        (7, ["wg", "br"]),
        (8, ["gw", "rb"]),
    ],
)
def test_a_turned_photo_is_loaded_as_it_is_displayed(orientation: int, shown: list[str]) -> None:
    result = loaded(painted(2, 2, "rg", "bw"), orientation=orientation)
    assert levels(result).tolist() == levels(painted(2, 2, *shown)).tolist()


def test_a_colour_profile_stays_and_notes_do_not() -> None:
    exif = Image.Exif()
    exif[ARTIST], exif[ORIENTATION] = "somebody", 6
    picture = picture_of(
        painted(2, 1, "rg"), format="JPEG", icc_profile=RGB_PROFILE, exif=exif, comment=b"secret"
    )
    for output_format in ("png", "jpeg", "webp"):
        result = opened(pictures.save(pictures.load(picture), output_format, 90))
        assert result.info["icc_profile"] == RGB_PROFILE
        assert not dict(result.getexif())
        assert "comment" not in result.info


def test_a_profile_for_other_colours_than_rgb_does_not_stay() -> None:
    image = loaded(Image.new("L", (2, 1)), icc_profile=GREY_PROFILE)
    assert "icc_profile" not in opened(pictures.save(image, "png", 100)).info


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_damaged_pixels_are_refused(format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = file_of(Image.fromarray(noise), format).read()
    cut = Blob(whole[: len(whole) // 2])
    picture = Picture(blob=cut, format=format.lower(), width=64, height=64)  # type: ignore[arg-type]
    with pytest.raises(InvalidImage, match="damaged") as refusal:
        pictures.load(picture)
    assert refusal.value.param == "image"


def test_a_lack_of_memory_is_not_the_pictures_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any) -> None:
        raise MemoryError

    picture = picture_of(painted(1, 1, "r"))
    monkeypatch.setattr(PngImageFile, "load", full)
    with pytest.raises(MemoryError):
        pictures.load(picture)


@pytest.mark.parametrize(
    ("output_format", "exact"), [("png", True), ("jpeg", False), ("webp", True)]
)
def test_files_at_best_quality(output_format: str, exact: bool) -> None:
    image = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    result = opened(pictures.save(image, output_format, 100))
    assert result.format == output_format.upper()
    difference = np.abs(levels(result.convert("RGB")) - levels(image)).max()
    assert difference == 0 if exact else difference <= 3


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_compression_is_the_quality(output_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    sizes = [
        len(pictures.save(Image.fromarray(noise), output_format, quality))
        for quality in (0, 50, 99, 100)
    ]
    assert sizes == sorted(set(sizes))


def test_what_is_transparent_lies_on_white() -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (200, 0, 0, 255))
    image.putpixel((2, 0), (0, 0, 0, 51))
    # A fifth of black on white is 204.
    assert levels(pictures.opaque(image)).tolist() == [
        [[255, 255, 255], [200, 0, 0], [204, 204, 204]]
    ]


def test_a_size_is_covered_and_the_rest_cut_off() -> None:
    image = Image.new("RGB", (400, 100), (255, 0, 0))
    image.paste((0, 0, 255), (150, 0, 250, 100))
    result = pictures.fitted(image, Size(50, 50))
    assert result.size == (50, 50)
    # The middle 100 of 400 columns are what is left: blue but for the resampled rim.
    assert levels(result)[5:45, 5:45].reshape(-1, 3).tolist() == [[0, 0, 255]] * 1600


def test_a_size_that_it_has_already_changes_nothing() -> None:
    image = painted(2, 1, "rg")
    assert pictures.fitted(image, Size(2, 1)) is image
