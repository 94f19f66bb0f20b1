"""Nova Canvas and Titan Image Generator v2: a ``taskType``, its parameters, and a config.

Both read masks by pure black and white: INPAINTING and VIRTUAL_TRY_ON edit what is black,
OUTPAINTING what is white. Their pictures may have no transparent pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import msgspec

from retouch import (
    Base64,
    Blob,
    EditRequest,
    InvalidRequest,
    Mask,
    Picture,
    UnsupportedParameter,
    flatten,
    upright,
)
from retouch_bedrock.answer import read_amazon
from retouch_bedrock.families import tasks, try_on
from retouch_bedrock.families.shape import (
    Bounds,
    Family,
    given,
    mask,
    options,
    pictures,
    required,
)
from retouch_bedrock.families.tasks import Task

#: OpenAI's qualities in Amazon's words, beside Amazon's own.
QUALITIES = {
    "low": "standard",
    "medium": "standard",
    "high": "premium",
    "standard": "standard",
    "premium": "premium",
}
#: What may be asked of every task, in OpenAI's words or in Amazon's.
_CONFIG_FIELDS = ("seed", "cfgScale", "imageGenerationConfig")
_DEFAULT_SIDE = 1024


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Up to how many pixels a picture costs which multiple of the model's price."""

    max_pixels: int
    standard: float | None
    premium: float | None


#: $0.04 and $0.06 to 1024x1024, $0.06 and $0.08 to 2048x2048 (standard and premium).
NOVA_TIERS = (
    Tier(max_pixels=1024 * 1024, standard=1.0, premium=1.5),
    Tier(max_pixels=2048 * 2048, standard=1.5, premium=2.0),
)
#: Only the smallest is confirmed.
TITAN_TIERS = (Tier(max_pixels=512 * 512, standard=1.0, premium=None),)


def task_name(edit: EditRequest) -> str:
    """The ``taskType``: what the client says, else INPAINTING where an area is named."""
    chosen = options(edit)
    if chosen.task_type is not None:
        return chosen.task_type
    if chosen.virtual_try_on is not None:
        return "VIRTUAL_TRY_ON"
    area = edit.mask is not None or chosen.mask_prompt is not None
    return "INPAINTING" if area else "IMAGE_VARIATION"


def _check(known: Mapping[str, Task], edit: EditRequest) -> None:
    name = task_name(edit)
    task = known.get(name)
    if task is None:
        raise InvalidRequest(
            f"`taskType` {name} is not one of this model's: {', '.join(known)}.",
            param="taskType" if options(edit).task_type else "virtualTryOnParams",
            code="invalid_value",
        )
    _check_fields(name, task, known, edit)
    least, most = task.images
    if not least <= len(pictures(edit)) <= most:
        count = str(least) if least == most else f"{least} to {most}"
        raise InvalidRequest(f"{name} takes {count} image(s).", param="image")
    if task.text_required and task.text is not None and not edit.prompt.strip():
        raise InvalidRequest(f"{name} needs words in its `prompt`.", param="prompt")
    _check_area(name, task, edit)
    _check_config(name, task, edit)


def _check_fields(name: str, task: Task, known: Mapping[str, Task], edit: EditRequest) -> None:
    of_tasks = frozenset().union(*(other.fields for other in known.values()))
    for field, _ in given(options(edit)):
        if field in of_tasks and field not in task.fields:
            raise UnsupportedParameter(f"`{field}`: {name} does not have this field.", param=field)
    if name == "COLOR_GUIDED_GENERATION":
        required(edit, "colors", "1 to 10 of them, such as #FF8800")


def _check_area(name: str, task: Task, edit: EditRequest) -> None:
    chosen = options(edit)
    if task.mask is None:
        if edit.mask is not None:
            raise UnsupportedParameter(f"`mask`: {name} edits the whole picture.", param="mask")
        return
    if edit.mask is not None and chosen.mask_prompt is not None:
        raise InvalidRequest("Send either `mask` or `maskPrompt`, not both.", param="maskPrompt")
    if name == "VIRTUAL_TRY_ON":
        try_on.check(edit)
    elif edit.mask is None and chosen.mask_prompt is None and not pictures(edit)[0].alpha:
        raise InvalidRequest(
            f"{name} needs a `mask`, a `maskPrompt`, or an image whose transparent pixels say "
            "what to edit.",
            param="mask",
            code="mask_required",
        )


def _check_config(name: str, task: Task, edit: EditRequest) -> None:
    chosen, config = options(edit), options(edit).generation
    if not task.configured:
        asked: dict[str, Any] = {"size": _size(edit), "quality": _quality(edit)}
        asked |= {field: value for field, value in given(chosen) if field in _CONFIG_FIELDS}
        asked["n"] = edit.n if (edit.n or 1) > 1 else None
        for field, value in asked.items():
            if value is not None:
                raise UnsupportedParameter(f"`{field}`: {name} has no choice of it.", param=field)
    if not task.sized:
        _check_kept_size(name, edit)
    if config is None:
        return
    twice = {
        "size": _size(edit) and (config.width or config.height),
        "quality": _quality(edit) and config.quality,
        "n": edit.n and config.number_of_images,
        "seed": chosen.seed is not None and config.seed is not None,
        "cfgScale": chosen.cfg_scale and config.cfg_scale,
    }
    for field, both in twice.items():
        if both:
            raise InvalidRequest(
                f"`{field}` is sent twice: also in `imageGenerationConfig`.", param=field
            )
    if config.seed is not None and (edit.n or 1) > 5:
        raise InvalidRequest(
            "With `n` above 5 send `seed` by itself, so that every call gets another one.",
            param="imageGenerationConfig",
        )


def _check_kept_size(name: str, edit: EditRequest) -> None:
    config = options(edit).generation
    if config is not None and (config.width is not None or config.height is not None):
        raise InvalidRequest(
            f"`imageGenerationConfig`: the result of {name} is as large as the picture.",
            param="imageGenerationConfig",
        )
    if (size := _size(edit)) is None:
        return
    picture = pictures(edit)[0]
    stored = f"{picture.width}x{picture.height}"
    if size not in (stored, f"{picture.height}x{picture.width}" * (picture.orientation >= 5)):
        raise InvalidRequest(
            f"`size`: the result of {name} is as large as the picture, {stored}.", param="size"
        )


def _document(known: Mapping[str, Task], edit: EditRequest) -> dict[str, Any]:
    name = task_name(edit)
    task = known[name]
    params: dict[str, Any] = {}
    if task.text is not None and edit.prompt.strip():
        params[task.text] = edit.prompt
    params |= _pictures(name, task, edit)
    if name != "VIRTUAL_TRY_ON":
        params |= {field: value for field, value in given(options(edit)) if field in task.fields}
    body = {"taskType": name, task.params: params}
    if task.configured:
        # Last, so that a seed can be put into it; see ``transport``.
        body["imageGenerationConfig"] = _config(task, edit)
    return body


def _pictures(name: str, task: Task, edit: EditRequest) -> dict[str, Any]:
    found = pictures(edit)
    if name == "VIRTUAL_TRY_ON":
        source, area = _with_area(task.mask, found[0], edit)
        return try_on.params(edit, source, opaque(found[1]), area)
    if name == "IMAGE_VARIATION":
        return {"images": [opaque(picture) for picture in found]}
    if name == "TEXT_IMAGE":
        return {"conditionImage": opaque(found[0])}
    if name == "COLOR_GUIDED_GENERATION":
        return {"referenceImage": opaque(found[0])}
    if task.mask is None:
        return {"image": opaque(found[0])}
    image, area = _with_area(task.mask, found[0], edit)
    return {"image": image} if area is None else {"image": image, "maskImage": Base64(area)}


def _with_area(
    convention: Literal["black", "white"] | None, picture: Picture, edit: EditRequest
) -> tuple[Base64, Blob | None]:
    """The picture, and the mask: the client's, or else its own transparency.

    A transparent picture is its own mask only where nothing else says what to edit.
    """
    area = mask(edit)
    if area is not None:
        picture, area = upright(picture), area.upright()
    elif picture.alpha and not _named_in_words(edit):
        picture = upright(picture)
        area = Mask(picture)
    if area is None:
        return opaque(picture), None
    paint = area.white_edits if convention == "white" else area.black_edits
    return opaque(picture), paint(binary=True, rgb=True)


def _named_in_words(edit: EditRequest) -> bool:
    chosen = options(edit)
    return chosen.mask_prompt is not None or try_on.named_in_words(chosen.virtual_try_on)


def opaque(picture: Picture) -> Base64:
    """The picture, lying on white if it has transparency, which these models refuse."""
    if not picture.alpha:
        return Base64(picture.blob)
    return Base64(flatten(picture.blob, picture.format))


def _config(task: Task, edit: EditRequest) -> dict[str, Any]:
    chosen = options(edit)
    config: dict[str, Any] = {"numberOfImages": edit.n or 1}
    if task.sized and (size := _size(edit)) is not None:
        width, _, height = size.partition("x")
        config |= {"width": int(width), "height": int(height)}
    if (quality := _quality(edit)) is not None:
        config["quality"] = QUALITIES[quality]
    if chosen.cfg_scale is not None:
        config["cfgScale"] = chosen.cfg_scale
    if chosen.seed is not None:
        config["seed"] = chosen.seed
    return config | (dict(given(chosen.generation)) if chosen.generation is not None else {})


def _size(edit: EditRequest) -> str | None:
    return None if edit.size == "auto" else edit.size


def _quality(edit: EditRequest) -> str | None:
    return None if edit.quality == "auto" else edit.quality


def _price_factor(
    tiers: tuple[Tier, ...], known: Mapping[str, Task], edit: EditRequest
) -> float | None:
    """By what the price of the smallest standard picture is multiplied."""
    task = known[task_name(edit)]
    config = _config(task, edit)
    first = pictures(edit)[0]
    width, height = first.width, first.height
    if task.sized:
        width = config.get("width", _DEFAULT_SIDE)
        height = config.get("height", _DEFAULT_SIDE)
    tier = next((tier for tier in tiers if width * height <= tier.max_pixels), None)
    if tier is None:
        return None
    return tier.premium if config.get("quality") == "premium" else tier.standard


def _family(
    known: Mapping[str, Task], tiers: tuple[Tier, ...], max_ratio: float | None, max_text: int
) -> Family:
    seed: Bounds = (0, 2_147_483_646)
    fields = frozenset().union(*(task.fields for task in known.values()))
    return Family(
        accepts={
            **dict.fromkeys(sorted(fields)),
            "taskType": None,
            "seed": seed,
            "cfgScale": None,
            "imageGenerationConfig": None,
        },
        max_ratio=max_ratio,
        max_text=max_text,
        check=partial(_check, known),
        document=partial(_document, known),
        read=read_amazon,
        price_factor=partial(_price_factor, tiers, known),
    )


NOVA_CANVAS = _family(tasks.NOVA, NOVA_TIERS, 4.0, 1024)
TITAN_IMAGE_V2 = _family(tasks.TITAN, TITAN_TIERS, None, 512)
