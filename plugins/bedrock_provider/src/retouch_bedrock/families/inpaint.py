"""Inpaint and erase: white in the mask is edited, as strongly as it is white.

Without a mask the service takes the picture's own transparency, as OpenAI does.
"""

from __future__ import annotations

from typing import Any

from retouch import Base64, EditRequest, InvalidRequest, upright
from retouch_bedrock.families.shape import encoded, mask, pictures
from retouch_bedrock.families.stability import STYLED, service


def _needs_an_area(edit: EditRequest) -> None:
    if edit.mask is None and not pictures(edit)[0].alpha:
        raise InvalidRequest(
            "This model needs a `mask`, or an image whose transparent pixels say what to edit.",
            param="mask",
            code="mask_required",
        )


def _image_and_mask(edit: EditRequest) -> dict[str, Any]:
    picture, area = pictures(edit)[0], mask(edit)
    if area is None:
        return {"image": encoded(picture)}
    return {
        "image": encoded(upright(picture)),
        "mask": Base64(area.upright().white_edits()),
    }


INPAINT = service({**STYLED, "grow_mask": None}, image=_image_and_mask, check=_needs_an_area)
ERASE = service(
    {"grow_mask": None, "seed": None},
    prompt="none",
    image=_image_and_mask,
    check=_needs_an_area,
)
