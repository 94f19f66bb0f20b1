"""Pictures for the tests: the repository's photographs, and small ones painted by hand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch import Account, Blob, EditRequest, Mask, Picture
from retouch_local import Options, Settings, provider_info

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"

Levels = NDArray[np.int64]


def photo(name: str) -> Image.Image:
    """A photograph, as ``RGB``."""
    return Image.open(PHOTOS / name).convert("RGB")


def hole_of(name: str) -> NDArray[np.bool_]:
    """The area that a photograph's mask file marks: alpha 0."""
    hole: NDArray[np.bool_] = np.asarray(Image.open(PHOTOS / name).getchannel("A")) == 0
    return hole


def levels(image: Image.Image) -> Levels:
    """The image's levels, as numbers that can be subtracted."""
    return np.asarray(image).astype(np.int64)


def colours(image: Image.Image) -> set[Any]:
    """All colours that occur in the image."""
    return {colour for _, colour in image.getcolors(image.width * image.height) or []}


def white(hole: NDArray[np.bool_]) -> Image.Image:
    """A mask as the code under test takes it: white is edited."""
    return Image.fromarray(hole.astype(np.uint8) * 255)


def painted(width: int, height: int, *rows: str) -> Image.Image:
    """A picture from letters, one a pixel: black, white, red, green, blue, ``.`` for grey."""
    colours = {
        "k": (0, 0, 0),
        "w": (255, 255, 255),
        "r": (255, 0, 0),
        "g": (0, 255, 0),
        "b": (0, 0, 255),
        ".": (100, 100, 100),
    }
    image = Image.new("RGB", (width, height))
    image.putdata([colours[letter] for row in rows for letter in row])
    return image


def file_of(image: Image.Image, format: str = "PNG", **options: Any) -> Blob:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return Blob(file.getvalue())


def opened(data: bytes) -> Image.Image:
    """The image in a file."""
    return Image.open(io.BytesIO(data))


def picture_of(image: Image.Image, *, orientation: int = 1, **options: Any) -> Picture:
    """The image as the core hands it to a plugin."""
    return Picture(
        blob=file_of(image, **options),
        format=options.get("format", "PNG").lower(),
        width=image.width,
        height=image.height,
        alpha=image.has_transparency_data,
        orientation=orientation,
    )


def mask_of(hole: NDArray[np.bool_]) -> Mask:
    """OpenAI's mask of this area: alpha 0 there, opaque black elsewhere."""
    return mask_with_alpha((~hole).astype(np.uint8) * 255)


def mask_with_alpha(alpha: NDArray[np.uint8]) -> Mask:
    """OpenAI's mask with this alpha channel."""
    image = Image.new("RGBA", alpha.shape[::-1])
    image.putalpha(Image.fromarray(alpha))
    return Mask(picture_of(image))


def edit_of(model: str, image: Image.Image, *, prompt: str = "-", **rest: Any) -> EditRequest:
    """An edit of this image as the hooks get it."""
    rest = {"options": Options(), **rest}
    return EditRequest(model=model, prompt=prompt, images=(picture_of(image),), **rest)


def account_of(name: str = "local", **settings: Any) -> Account:
    """An account with all models under their own names."""
    models = {model.id: model for model in provider_info().models}
    return Account(name=name, provider="local", settings=Settings(**settings), models=models)
