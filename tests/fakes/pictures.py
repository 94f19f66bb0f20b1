"""Small real pictures for tests, and where the photographs lie."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


def photo(name: str) -> bytes:
    """The bytes of one of the photographs that ship with the project."""
    return (PHOTOS / name).read_bytes()


def picture(
    width: int = 32,
    height: int = 24,
    *,
    colour: str = "teal",
    format: str = "PNG",
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """A picture of one colour, with a diagonal line of another so that it is not uniform."""
    image = Image.new("RGB", (width, height), colour)
    for step in range(min(width, height)):
        image.putpixel((step, step), (250, 200, 30))
    out = io.BytesIO()
    image.convert(mode).save(out, format, **options)
    return out.getvalue()


def mask(width: int = 32, height: int = 24) -> bytes:
    """An OpenAI mask: alpha 0 (edit here) over the left half, black and opaque elsewhere."""
    image = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    """The decoded picture."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
