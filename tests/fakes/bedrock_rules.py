"""What Bedrock's image models refuse, from AWS's documentation of each.

The tables are typed from the user guides, not from the plugin.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

Rule = Callable[[Any], bool]


class Refusal(Exception):
    """An error answer: status, exception name, message."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


def whole(low: int, high: int) -> Rule:
    return lambda value: type(value) is int and low <= value <= high


def number(low: float, high: float) -> Rule:
    return lambda value: type(value) in (int, float) and low <= value <= high


def text(longest: int = 10_000) -> Rule:
    return lambda value: isinstance(value, str) and len(value) <= longest


def one_of(*values: str) -> Rule:
    return lambda value: value in values


PRESETS = (
    *("3d-model", "analog-film", "anime", "cinematic", "comic-book", "digital-art", "enhance"),
    *("fantasy-art", "isometric", "line-art", "low-poly", "modeling-compound", "neon-punk"),
    *("origami", "photographic", "pixel-art", "tile-texture"),
)
SEED, GROW, STYLE = whole(0, 4_294_967_294), whole(0, 20), one_of(*PRESETS)
OUTPUT = one_of("jpeg", "png", "webp")
PICTURE: Rule = lambda value: isinstance(value, str)  # noqa: E731  looked at by `Service.check`


@dataclass(frozen=True)
class Sides:
    """What a picture's sides may be."""

    least: int = 64
    most: int = 16_384
    pixels: tuple[int, int] = (1, 9_437_184)
    ratio: float = 2.5


STANDARD = Sides()


@dataclass
class Service:
    """One Stability service: its fields, those it needs, and its picture fields."""

    fields: dict[str, Rule]
    needed: tuple[str, ...]
    pictures: tuple[str, ...] = ("image",)
    sides: Sides = STANDARD

    def check(self, body: dict[str, Any], edited: Callable[[int, int], Any]) -> None:
        known = {**self.fields, "output_format": OUTPUT, **dict.fromkeys(self.pictures, PICTURE)}
        for name, value in body.items():
            if name not in known:
                names = ", ".join(known)
                raise stability(f"Invalid field '{name}' in request. Available fields: {names}")
            if not known[name](value):
                raise stability(f"Invalid value for field '{name}'")
        for name in (*self.needed, *self.pictures):
            if name not in body:
                raise stability(f"Field '{name}' is required")
        images = [opened(body[name]) for name in self.pictures]
        for image in images:
            check_sides(image, self.sides)
        if "mask" in body:
            check_mask(opened(body["mask"]), images[0], 255, edited, grey=True)
        elif "mask" in self.fields and "A" not in images[0].getbands():
            raise stability("a mask or an image with an alpha channel is required")


def stability(detail: str) -> Refusal:
    """Stability's refusals are JSON inside the JSON of Bedrock's."""
    return Refusal(400, "ValidationException", json.dumps({"detail": detail}))


def invalid(message: str) -> Refusal:
    return Refusal(400, "ValidationException", message)


PROMPT, NEGATIVE = {"prompt": text()}, {"negative_prompt": text()}
MORE = {"seed": SEED, "style_preset": STYLE}
PROMPTED = {**PROMPT, **NEGATIVE, **MORE}
BORDERS = dict.fromkeys(("left", "right", "up", "down"), whole(0, 2000))
RATIO = one_of("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
CONTROL = Service({**PROMPTED, "control_strength": number(0, 1)}, ("prompt",))

#: The thirteen services, by the middle of their ids.
SERVICES = {
    "stable-image-inpaint": Service({**PROMPTED, "mask": PICTURE, "grow_mask": GROW}, ("prompt",)),
    "stable-image-erase-object": Service({"mask": PICTURE, "grow_mask": GROW, "seed": SEED}, ()),
    "stable-outpaint": Service({**PROMPT, **MORE, **BORDERS, "creativity": number(0.1, 1)}, ()),
    "stable-image-search-replace": Service(
        {**PROMPTED, "search_prompt": text(), "grow_mask": GROW}, ("prompt", "search_prompt")
    ),
    "stable-image-search-recolor": Service(
        {**PROMPTED, "select_prompt": text(), "grow_mask": GROW}, ("prompt", "select_prompt")
    ),
    "stable-image-remove-background": Service({}, ()),
    "stable-image-control-sketch": CONTROL,
    "stable-image-control-structure": CONTROL,
    "stable-image-style-guide": Service(
        {**PROMPTED, "aspect_ratio": RATIO, "fidelity": number(0, 1)}, ("prompt",)
    ),
    "stable-style-transfer": Service(
        {
            **PROMPT,
            **NEGATIVE,
            "seed": SEED,
            "composition_fidelity": number(0, 1),
            "style_strength": number(0, 1),
            "change_strength": number(0.1, 1),
        },
        (),
        ("init_image", "style_image"),
    ),
    "stable-fast-upscale": Service(
        {}, (), sides=Sides(least=32, most=1536, pixels=(1024, 1_048_576), ratio=100)
    ),
    "stable-conservative-upscale": Service(
        {**PROMPT, **NEGATIVE, "seed": SEED, "creativity": number(0.1, 0.5)}, ("prompt",)
    ),
    "stable-creative-upscale": Service(
        {**PROMPTED, "creativity": number(0.1, 0.5)},
        ("prompt",),
        sides=Sides(pixels=(4096, 1_048_576), ratio=100),
    ),
}
SD3 = Service(
    {
        **PROMPT,
        **NEGATIVE,
        "seed": SEED,
        "mode": one_of("image-to-image"),
        "strength": number(0, 1),
    },
    ("prompt", "mode", "strength"),
    sides=Sides(pixels=(1, 100_000_000), ratio=100),
)


def opened(data: Any) -> Image.Image:
    """A picture from plain base64, decoded."""
    try:
        image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        image.load()
    except (ValueError, OSError, TypeError):
        raise invalid("Malformed input: the image cannot be read") from None
    return image


def check_sides(image: Image.Image, sides: Sides) -> None:
    width, height = image.size
    fits = sides.pixels[0] <= width * height <= sides.pixels[1]
    if min(image.size) < sides.least or max(image.size) > sides.most or not fits:
        raise stability(f"image of {width}x{height} pixels is out of bounds")
    if max(image.size) > sides.ratio * min(image.size):
        raise stability("aspect ratio is out of bounds")


def check_mask(
    mask: Image.Image,
    image: Image.Image,
    edits: int,
    edited: Callable[[int, int], Any],
    *,
    grey: bool = False,
) -> None:
    """Pure black and white, as large as the picture, and ``edits`` exactly where it should be.

    :param edits: the level that marks what is edited.
    :param edited: the box that the test's mask asks to edit, for a width and height.
    """
    if "A" in mask.getbands() or mask.size != image.size:
        raise invalid("the mask has an alpha channel or another size than the image")
    if not grey and mask.mode != "RGB":
        raise invalid("the mask must be an RGB image")
    levels = mask.convert("L")
    if {level for _, level in levels.getcolors(256) or []} - {0, 255}:
        raise invalid("the mask must be pure black and white")
    wanted = Image.new("L", mask.size, 255 - edits)
    wanted.paste(edits, edited(*mask.size))
    if levels.tobytes() != wanted.tobytes():
        raise invalid("the mask marks another area")
