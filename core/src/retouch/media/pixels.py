"""Pixels of a picture, in and out, through Pillow.

Import this module inside functions: most requests never need a pixel, and Pillow takes long
to import. Only the decoder of the one format is opened, on bytes without texts, EXIF and
other notes, so that neither Pillow's guessing between formats nor its parsers of metadata
ever run.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import IO, cast

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from retouch.errors import InvalidImage
from retouch.media import jpeg, png
from retouch.media.blob import Blob, BlobWriter
from retouch.media.exif import orientation_block
from retouch.media.pictures import inspect
from retouch.media.structure import BrokenPicture
from retouch.types import Picture, PictureFormat

#: What a colour profile (ICC.1 section 7.2.6) calls the colours of each of our modes.
_PROFILE_SPACES = {"L": b"GRAY", "LA": b"GRAY", "RGB": b"RGB ", "RGBA": b"RGB "}
#: How to turn stored pixels into displayed ones, by EXIF orientation (EXIF 2.32, 4.6.4).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(blob: Blob, *, param: str = "image") -> tuple[Picture, Image.Image]:
    """The picture's structure, and its pixels in the mode ``L``, ``LA``, ``RGB`` or ``RGBA``.

    Always 8 bits per channel: of 16 bits the upper 8 are kept; CMYK becomes RGB by the plain
    formula, without its colour profile. Transparent colours of a PNG (its tRNS chunk) become
    an alpha channel. The orientation is not applied. ``info`` of the image holds its
    ``icc_profile``, if any. Takes seconds for the largest pictures.

    :param param: the request field, for the error.
    :raises InvalidImage: when the structure or the pixel data is broken.
    """
    picture = inspect(blob, param=param)
    with _own_errors(param):
        return picture, _DECODERS[picture.format](blob)


def decode_alpha(blob: Blob, *, param: str = "image") -> Image.Image:
    """The alpha channel of a PNG that has one or a tRNS chunk, in the mode ``L``.

    As ``decode``, but without a copy of the colours.

    :raises InvalidImage: when the structure or the pixel data is broken.
    """
    inspect(blob, param=param)
    with _own_errors(param):
        image, parts = _open_png(blob)
        return _alpha_of_colours(image, parts) if parts.transparency else image.getchannel("A")


@contextlib.contextmanager
def _own_errors(param: str) -> Iterator[None]:
    try:
        yield
    except BrokenPicture as reason:
        raise InvalidImage(f"`{param}` {reason}.", param=param) from None
    # Decoders raise nearly everything on broken data, and their texts may hold addresses.
    except Exception:
        raise InvalidImage(
            f"`{param}` is damaged: its pixels cannot be decoded.", param=param
        ) from None


def encode(
    image: Image.Image, format: PictureFormat, *, orientation: int = 1, quality: int = 100
) -> Blob:
    """The image as a file of this format, with its colour profile where that still fits.

    :param image: in one of the modes of ``decode``; for JPEG without alpha.
    :param orientation: the EXIF orientation to write down.
    :param quality: 0 to 100. JPEG keeps full colour resolution from 90 up; WebP is lossless
        at 100 and lossy below; PNG has no such choice.
    """
    options: dict[str, object] = dict(_FORMAT_OPTIONS[format](quality))
    profile = image.info.get("icc_profile")
    if format == "webp":
        image = image.convert({"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode))
    if profile and profile[16:20] == _PROFILE_SPACES[image.mode]:
        options["icc_profile"] = profile
    if orientation != 1:
        options["exif"] = orientation_block(orientation)
    # What is left in ``info`` would be written as well.
    image.info = {}
    sink = _Sink()
    try:
        image.save(cast("IO[bytes]", sink), format=format.upper(), **options)
        return sink.writer.finish()
    finally:
        sink.writer.close()


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """The image as it is displayed when its EXIF orientation is this."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def flatten(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """The image without alpha, lying on a background; unchanged if it has none."""
    if image.mode not in ("LA", "RGBA"):
        return image
    ground = Image.new("RGB", image.size, background)
    ground.paste(image.convert("RGB"), mask=image.getchannel("A"))
    ground.info = image.info
    return ground


def black_with_alpha(alpha: Image.Image) -> Image.Image:
    """A black picture with this alpha channel."""
    black = Image.new("L", alpha.size)
    return Image.merge("RGBA", (black, black, black, alpha))


class _Sink(io.RawIOBase):
    """A file for Pillow to write into, that ends up as a blob."""

    def __init__(self) -> None:
        super().__init__()
        self.writer = BlobWriter()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self.writer.write(data)
        return len(data)


#: Effort levels: measured on photographs, more takes several times as long for a few percent.
_FORMAT_OPTIONS: dict[PictureFormat, Callable[[int], dict[str, object]]] = {
    "png": lambda _: {"compress_level": 3},
    "jpeg": lambda quality: {
        "quality": max(quality, 1),
        "subsampling": "4:4:4" if quality >= 90 else "4:2:0",
    },
    "webp": lambda quality: (
        {"lossless": True, "quality": 20, "method": 2} if quality == 100 else {"quality": quality}
    ),
}


def _open_png(blob: Blob) -> tuple[Image.Image, png.Essential]:
    # The classes, unlike Image.open, neither guess the format nor warn about many pixels.
    parts = png.essential(blob)
    image = PngImageFile(io.BytesIO(parts.file))
    image.load()
    return image, parts


def _decode_png(blob: Blob) -> Image.Image:
    image, parts = _open_png(blob)
    profile = image.info.get("icc_profile")
    alpha = _alpha_of_colours(image, parts) if parts.transparency else None
    if image.mode == "I;16":
        image = Image.frombytes("L", image.size, image.tobytes()[1::2])
    elif parts.colour == png.GREY_ALPHA:
        image = Image.merge("LA", (image.getchannel(0), image.getchannel("A")))
    else:
        image = image.convert({"1": "L", "P": "RGB"}.get(image.mode, image.mode))
    if alpha is not None:
        image.putalpha(alpha)
    image.info = {"icc_profile": profile}
    return image


def _decode_jpeg(blob: Blob) -> Image.Image:
    image: Image.Image = JpegImageFile(io.BytesIO(jpeg.essential(blob)))
    image.load()
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK":
        image = image.convert("RGB")
    image.info = {"icc_profile": profile}
    return image


def _decode_webp(blob: Blob) -> Image.Image:
    image = WebPImageFile(io.BytesIO(blob.read()))
    image.load()
    image.info = {"icc_profile": image.info.get("icc_profile")}
    return image


_DECODERS: dict[PictureFormat, Callable[[Blob], Image.Image]] = {
    "png": _decode_png,
    "jpeg": _decode_jpeg,
    "webp": _decode_webp,
}


def _alpha_of_colours(image: Image.Image, parts: png.Essential) -> Image.Image:
    """The alpha channel that a tRNS chunk describes (PNG specification 11.3.1.1)."""
    if parts.colour == png.PALETTE:
        indices = Image.frombytes("L", image.size, image.tobytes())
        return indices.point(list(parts.transparency.ljust(256, b"\xff")))
    # Bits above the depth are to be ignored.
    most = (1 << parts.depth) - 1
    key = [
        int.from_bytes(parts.transparency[at : at + 2], "big") & most
        for at in range(0, len(parts.transparency), 2)
    ]
    if parts.depth < 16:
        bands = image.convert("L").split() if parts.colour == png.GREY else image.split()
        return ImageChops.invert(_matches(bands, [value * 255 // most for value in key]))
    if parts.colour == png.GREY:
        data = image.tobytes()
        bands = tuple(Image.frombytes("L", image.size, data[at::2]) for at in (1, 0))
    else:
        # Pillow keeps upper bytes only; the raw mode of the other byte order gives the lower.
        lower = PngImageFile(io.BytesIO(parts.file))
        lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
        bands = (*image.split(), *lower.split())
    halves = [*(value >> 8 for value in key), *(value & 0xFF for value in key)]
    return ImageChops.invert(_matches(bands, halves))


def _matches(bands: Sequence[Image.Image], values: Sequence[int]) -> Image.Image:
    """255 where every band has its value, else 0."""
    found = Image.new("L", bands[0].size, 255)
    for band, value in zip(bands, values, strict=True):
        match = band.point([255 * (level == value) for level in range(256)])
        found = ImageChops.darker(found, match)
    return found
