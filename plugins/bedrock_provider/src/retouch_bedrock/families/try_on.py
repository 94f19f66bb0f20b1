"""Nova Canvas's VIRTUAL_TRY_ON: a person, a garment, and what is replaced.

The first image is the person, the second the garment. What is replaced is said by a mask, a
kind of garment, or words; exactly one of them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from retouch import Base64, Blob, EditRequest, InvalidRequest
from retouch_bedrock.families.shape import options, pictures
from retouch_bedrock.options import TryOn

#: ``maskType`` and the object that goes with it.
_OBJECTS = {"GARMENT": "garmentBasedMask", "PROMPT": "promptBasedMask"}


def check(edit: EditRequest) -> None:
    """Refuse none of these, and more than one.

    :raises InvalidRequest: naming the field.
    """
    wanted = _tried(edit)
    ways = _ways(edit)
    if len(ways) > 1:
        raise InvalidRequest(
            f"Say what to replace in one way only; {' and '.join(ways.values())} were sent.",
            param=next(iter(ways.values())),
        )
    kind = next(iter(ways), None) or ("IMAGE" if pictures(edit)[0].alpha else None)
    if kind is None:
        raise InvalidRequest(
            "VIRTUAL_TRY_ON needs a `mask`, a `maskPrompt`, or `virtualTryOnParams` with "
            "`garmentBasedMask` or `promptBasedMask`.",
            param="mask",
            code="mask_required",
        )
    if wanted.mask_type not in (None, kind):
        missing = _OBJECTS.get(wanted.mask_type or "", "mask")
        raise InvalidRequest(
            f"`maskType` {wanted.mask_type} needs `{missing}`.", param="virtualTryOnParams"
        )
    chosen = options(edit)
    if wanted.prompt_based_mask is not None and chosen.mask_prompt is not None:
        raise InvalidRequest(
            "`maskPrompt` is sent twice: also in `virtualTryOnParams`.", param="maskPrompt"
        )
    if wanted.return_mask is not None and chosen.return_mask is not None:
        raise InvalidRequest(
            "`returnMask` is sent twice: also in `virtualTryOnParams`.", param="returnMask"
        )


def params(
    edit: EditRequest, source: Base64, reference: Base64, area: Blob | None
) -> dict[str, Any]:
    """``virtualTryOnParams``; ``area`` marks what is replaced in black."""
    chosen, wanted = options(edit), _tried(edit)
    kind = next(iter(_ways(edit)), "IMAGE")
    found: dict[str, Any] = {"sourceImage": source, "referenceImage": reference}
    found |= msgspec.to_builtins(wanted) | {"maskType": kind}
    if area is not None:
        found["imageBasedMask"] = {"maskImage": Base64(area)}
    if chosen.mask_prompt is not None:
        found["promptBasedMask"] = {"maskPrompt": chosen.mask_prompt}
    if chosen.return_mask is not None:
        found["returnMask"] = chosen.return_mask
    return found


def named_in_words(wanted: TryOn | None) -> bool:
    """Whether the area is said by a kind of garment or by words."""
    return wanted is not None and (
        wanted.garment_based_mask is not None or wanted.prompt_based_mask is not None
    )


def _tried(edit: EditRequest) -> TryOn:
    return options(edit).virtual_try_on or TryOn()


def _ways(edit: EditRequest) -> dict[str, str]:
    """Each way in which the client says what to replace: ``maskType`` and the field."""
    wanted, found = _tried(edit), {}
    if edit.mask is not None:
        found["IMAGE"] = "mask"
    if wanted.garment_based_mask is not None:
        found["GARMENT"] = "virtualTryOnParams"
    if wanted.prompt_based_mask is not None or options(edit).mask_prompt is not None:
        found["PROMPT"] = "maskPrompt"
    return found
