"""Outpaint: the picture grows by so many pixels on each side."""

from __future__ import annotations

from typing import Any

from retouch import EditRequest, InvalidRequest, upright
from retouch_bedrock.families.shape import encoded, options, pictures
from retouch_bedrock.families.stability import service

SIDES = ("left", "right", "up", "down")
#: Pixels on one side.
MAX_BORDER = 2000


def _check(edit: EditRequest) -> None:
    borders = [getattr(options(edit), side) for side in SIDES]
    if edit.size in (None, "auto"):
        if not any(borders):
            raise InvalidRequest(
                "Say where the picture shall grow: `left`, `right`, `up` or `down` in pixels, or "
                "a `size` larger than the picture.",
                param=next((s for s, b in zip(SIDES, borders, strict=True) if b == 0), "left"),
                code="missing_required_parameter",
            )
        return
    if any(border is not None for border in borders):
        raise InvalidRequest(
            "Send either `size` or the borders `left`, `right`, `up` and `down`.", param="size"
        )
    grown = _growth(edit)
    if min(grown) < 0 or max(grown) == 0 or max(grown) > 2 * MAX_BORDER:
        raise InvalidRequest(
            f"`size` must be larger than the picture, by at most {2 * MAX_BORDER} pixels in each "
            "direction.",
            param="size",
            code="invalid_value",
        )


def _growth(edit: EditRequest) -> tuple[int, int]:
    """By how much the displayed picture becomes wider and higher."""
    picture = pictures(edit)[0]
    sides = picture.width, picture.height
    if picture.orientation >= 5:
        sides = sides[::-1]
    width, _, height = (edit.size or "").partition("x")
    return int(width) - sides[0], int(height) - sides[1]


def _image_and_borders(edit: EditRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"image": encoded(upright(pictures(edit)[0]))}
    if edit.size not in (None, "auto"):
        wider, higher = _growth(edit)
        body |= {"left": wider // 2, "right": wider - wider // 2}
        body |= {"up": higher // 2, "down": higher - higher // 2}
    return body


OUTPAINT = service(
    {**dict.fromkeys(SIDES), "creativity": (0.1, 1.0), "style_preset": None, "seed": None},
    prompt="optional",
    image=_image_and_borders,
    check=_check,
)
