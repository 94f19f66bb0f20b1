"""Style guide (a new picture in the style of one) and style transfer (of one onto another)."""

from __future__ import annotations

import math
from typing import Any

from retouch import EditRequest, InvalidRequest
from retouch_bedrock.families.shape import encoded, options, pictures
from retouch_bedrock.families.stability import STYLED, one_image, service

#: Width to height of what style guide makes; it has no other choice of size.
RATIOS = ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")


def nearest_ratio(size: str) -> str:
    """The aspect ratio that comes closest to ``WIDTHxHEIGHT``."""
    width, _, height = size.partition("x")
    wanted = math.log(int(width) / int(height))

    def distance(ratio: str) -> float:
        left, _, right = ratio.partition(":")
        return abs(math.log(int(left) / int(right)) - wanted)

    return min(RATIOS, key=distance)


def _size_or_ratio(edit: EditRequest) -> None:
    if edit.size not in (None, "auto") and options(edit).aspect_ratio is not None:
        raise InvalidRequest("Send either `size` or `aspect_ratio`.", param="size")


def _guide(edit: EditRequest) -> dict[str, Any]:
    sized = {} if edit.size in (None, "auto") else {"aspect_ratio": nearest_ratio(edit.size)}
    return one_image(edit) | sized


def _two_pictures(edit: EditRequest) -> None:
    if len(pictures(edit)) != 2:
        raise InvalidRequest(
            "This model takes exactly two images: first the one to edit, then the one whose "
            "style it gets.",
            param="image",
        )


def _transfer(edit: EditRequest) -> dict[str, Any]:
    content, style = pictures(edit)
    return {"init_image": encoded(content), "style_image": encoded(style)}


STYLE_GUIDE = service(
    {**STYLED, "aspect_ratio": None, "fidelity": None}, image=_guide, check=_size_or_ratio
)
STYLE_TRANSFER = service(
    {
        "negative_prompt": None,
        "composition_fidelity": None,
        "style_strength": None,
        "change_strength": None,
        "seed": None,
    },
    prompt="optional",
    image=_transfer,
    check=_two_pictures,
)
