"""Pictures in and out: files to pixels, and pixels to files, through Pillow.

All editing happens on upright ``RGB`` or ``RGBA`` pixels with 8 bits per channel.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from retouch import Blob, InvalidImage, Picture
from retouch_local.grammar import Size

#: How to turn stored pixels into displayed ones, by EXIF orientation (EXIF 2.32, 4.6.4).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: What a colour profile (ICC.1 section 7.2.6) of RGB pixels calls their colour space.
_RGB_PROFILE = b"RGB "
WHITE = (255, 255, 255)


def load(picture: Picture) -> Image.Image:
    """The picture's pixels as it is displayed, ``RGBA`` if anything in it is transparent.

    Grey, palette and CMYK pictures become RGB, 16 bits per channel become 8. ``info`` holds
    the colour profile where it still fits, and nothing else: notes such as the place where a
    photo was taken do not reach the result.

    :raises InvalidImage: with ``param="image"``, when the pixels are damaged.
    """
    try:
        stored = Image.open(io.BytesIO(picture.blob.read()), formats=[picture.format.upper()])
        stored.load()
    except MemoryError:  # this machine's fault, not the picture's
        raise
    # Decoders raise nearly everything on broken data, and their texts may hold addresses.
    except Exception:
        raise InvalidImage(
            "`image` is damaged: its pixels cannot be decoded.", param="image"
        ) from None
    profile = stored.info.get("icc_profile") or b""
    pixels = _eight_bits(stored)
    if picture.orientation in _UPRIGHT:
        pixels = pixels.transpose(_UPRIGHT[picture.orientation])
    pixels.info = {"icc_profile": profile} if profile[16:20] == _RGB_PROFILE else {}
    return pixels


def load_mask(mask: Blob) -> Image.Image:
    """The mask's pixels, as grey levels; the core made it, so it is whole."""
    return Image.open(io.BytesIO(mask.read()), formats=["PNG"]).convert("L")


def save(pixels: Image.Image, output_format: str, compression: int) -> bytes:
    """The picture as a file of this format.

    :param compression: quality of JPEG and WebP, 0 to 100; WebP is lossless at 100.
    """
    options: dict[str, Any] = {"icc_profile": pixels.info.get("icc_profile")}
    if output_format == "jpeg":
        options |= {"quality": compression}
    elif output_format == "webp":
        # Where a WebP is lossless, "quality" and "method" mean effort: more is slow for little.
        lossless = {"lossless": True, "quality": 20, "method": 2}
        options |= lossless if compression == 100 else {"quality": compression}
    else:
        # Pillow's default (6) takes three times as long for a few percent.
        options |= {"compress_level": 3}
    file = io.BytesIO()
    pixels.save(file, format=output_format.upper(), **options)
    return file.getvalue()


def opaque(pixels: Image.Image) -> Image.Image:
    """The picture as ``RGB``, what is transparent lying on white."""
    if pixels.mode == "RGB":
        return pixels
    ground = Image.new("RGB", pixels.size, WHITE)
    ground.paste(pixels.convert("RGB"), mask=pixels.getchannel("A"))
    ground.info = pixels.info
    return ground


def fitted(pixels: Image.Image, size: Size) -> Image.Image:
    """The picture scaled until it covers this size; what stands out on two sides is cut off."""
    if pixels.size == (size.width, size.height):
        return pixels
    return ImageOps.fit(pixels, (size.width, size.height), Image.Resampling.LANCZOS)


def _eight_bits(stored: Image.Image) -> Image.Image:
    if stored.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 instead of scaling it.
        grey = stored.point(lambda level: level / 256).convert("L")
        hidden = stored.info.get("transparency")
        if hidden is None:
            return grey.convert("RGB")
        # The one transparent level (PNG's tRNS) has 16 bits; its neighbours are opaque.
        shown = Image.fromarray((np.asarray(stored) != hidden).astype(np.uint8) * 255)
        return Image.merge("RGBA", (grey, grey, grey, shown))
    return stored.convert("RGBA" if stored.has_transparency_data else "RGB")
