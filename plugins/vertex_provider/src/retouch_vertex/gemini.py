"""Gemini's image models: ``:generateContent`` with pictures inline and the prompt last.

Google's pages on image generation and image understanding, and the discovery document of
``aiplatform`` v1, revision 20261106.
"""

from __future__ import annotations

import math
from typing import Any, cast

from retouch import (
    Base64,
    Body,
    EditRequest,
    EditResult,
    InvalidRequest,
    Mask,
    Picture,
    Price,
    UnsupportedParameter,
    UpstreamResponse,
    json_body,
    upright,
)
from retouch_vertex import checks
from retouch_vertex.checks import refuse
from retouch_vertex.gemini_answer import Answer
from retouch_vertex.options import Options
from retouch_vertex.table import traits

OPTIONS = frozenset(
    {
        "aspectRatio",
        "imageSize",
        "labels",
        "mask_as_hint",
        "personGeneration",
        "safetySettings",
        "seed",
        "thinkingLevel",
    }
)
MAX_PICTURES = 14
PERSONS = ("allow_all", "allow_adult", "allow_none")
CATEGORIES = ("harassment", "hate_speech", "sexually_explicit", "dangerous_content")
THRESHOLDS = (
    "block_low_and_above",
    "block_medium_and_above",
    "block_only_high",
    "block_none",
    "off",
)
#: How far a size may be from the nearest aspect ratio that there is, as a factor.
TOLERANCE = 1.05
#: An image size is enough for this many times the pixels of its square: OpenAI's 1536x1024 is
#: 1K, while 1920x1080 is 2K and 3840x2160 is 4K.
REACH = 1.9
#: Side in pixels of a square picture of each image size.
_SIDES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
HINT = (
    "The second picture is a mask for the first one. Change the first picture only where the "
    "mask is white, and keep it exactly as it is where the mask is black. Return the edited "
    "picture, not the mask."
)


def check(edit: EditRequest) -> None:
    """What data cannot say: what belongs together, and what this very model takes.

    :raises InvalidRequest: naming the field.
    """
    options = checks.options_of(edit)
    checks.only(options, OPTIONS)
    _check_mask(edit, options)
    _check_size(edit, options)
    can = traits(edit.model)
    if options.thinking_level is not None and not can.thinking:
        raise UnsupportedParameter(
            "`thinkingLevel`: this model has no choice of it.", param="thinkingLevel"
        )
    checks.one_of("thinkingLevel", options.thinking_level, can.thinking)
    checks.one_of("personGeneration", options.person_generation, PERSONS)
    checks.seed(edit, options)
    checks.labels(options.labels)
    if options.safety_settings is not None and edit.moderation == "low":
        raise refuse(
            "`safetySettings` and `moderation` say the same; send one of them.", "safetySettings"
        )
    for category, threshold in _safety(edit, options):
        known = category.lower().removeprefix("harm_category_")
        if known not in CATEGORIES or threshold.lower() not in THRESHOLDS:
            raise refuse(
                f"`safetySettings` sets HARM_CATEGORY_ {', '.join(CATEGORIES)} to one of "
                f"{', '.join(THRESHOLDS)}.",
                "safetySettings",
            )


def method(edit: EditRequest) -> str:
    """Streamed answers come as server-sent events only when asked for."""
    return "streamGenerateContent?alt=sse" if edit.stream else "generateContent"


def body(edit: EditRequest) -> Body:
    """The pictures in order, then the prompt; the mask, as a hint, behind the first picture."""
    options = checks.options_of(edit)
    # The models' capabilities let no references to pictures elsewhere through.
    images = [cast("Picture", item) for item in edit.images]
    texts = [{"text": edit.prompt}]
    parts = [_inline(picture) for picture in images]
    if isinstance(edit.mask, Mask):
        mask = edit.mask.upright().white_edits(binary=True, rgb=True)
        parts = [
            _inline(upright(images[0])),
            {"inlineData": {"mimeType": "image/png", "data": Base64(mask)}},
            *parts[1:],
        ]
        texts.insert(0, {"text": HINT})
    value: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [*parts, *texts]}],
        "generationConfig": _generation(edit, options),
    }
    if safety := _safety(edit, options):
        value["safetySettings"] = [
            {"category": _category(category), "threshold": threshold.upper()}
            for category, threshold in safety
        ]
    if options.labels:
        value["labels"] = options.labels
    return json_body(value)


def read(response: UpstreamResponse, edit: EditRequest, price: Price | None) -> EditResult:
    """The picture; drafts are left out.

    :raises ContentRejected: for a prompt or a picture that was blocked, or a refusal in words.
    :raises UpstreamError: when there is no picture for another reason.
    """
    answer = Answer()
    answer.add(response.body)
    return answer.result(price)


def image_config(edit: EditRequest) -> dict[str, str]:
    """``aspectRatio`` and ``imageSize`` for the edit's ``size`` or options; empty for auto."""
    options = checks.options_of(edit)
    size = _sides(edit.size)
    found: dict[str, str] = {}
    if size is not None:
        can = traits(edit.model)
        found["aspectRatio"] = _nearest_ratio(size, can.ratios)
        pixels = size[0] * size[1]
        enough = [name for name in can.sizes if pixels <= REACH * _SIDES[name] ** 2]
        found["imageSize"] = enough[0] if enough else can.sizes[-1]
    if options.aspect_ratio is not None:
        found["aspectRatio"] = options.aspect_ratio
    if options.image_size is not None:
        found["imageSize"] = options.image_size
    if options.person_generation is not None:
        found["personGeneration"] = options.person_generation.upper()
    return found


def _check_mask(edit: EditRequest, options: Options) -> None:
    if edit.mask is None:
        if options.mask_as_hint:
            raise InvalidRequest("`mask_as_hint` needs a mask.", param="mask_as_hint")
        return
    if not options.mask_as_hint:
        raise UnsupportedParameter(
            "`mask`: Gemini cannot restrict an edit to a masked area. `mask_as_hint` shows it "
            "to the model as a hint.",
            param="mask",
        )
    if len(edit.images) >= MAX_PICTURES:
        raise InvalidRequest(
            f"This model takes at most {MAX_PICTURES} images, the mask among them.",
            param="image",
            code="too_many_images",
        )


def _check_size(edit: EditRequest, options: Options) -> None:
    can = traits(edit.model)
    checks.one_of("aspectRatio", options.aspect_ratio, can.ratios)
    if options.image_size is not None and options.image_size not in can.sizes:
        raise refuse(f"`imageSize` must be one of {', '.join(can.sizes)}.", "imageSize")
    size = _sides(edit.size)
    if size is None:
        return
    for name in ("aspectRatio", "imageSize"):
        if name in options.given():
            raise refuse(f"`{name}` and `size` say the same; send one of them.", name)
    nearest = _nearest_ratio(size, can.ratios)
    if _distance(size, nearest) > math.log(TOLERANCE):
        raise refuse(f"`size` must be near one of the ratios {', '.join(can.ratios)}.", "size")


def _generation(edit: EditRequest, options: Options) -> dict[str, Any]:
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    if image := image_config(edit):
        config["imageConfig"] = image
    if options.thinking_level is not None:
        config["thinkingConfig"] = {"thinkingLevel": options.thinking_level.upper()}
    if options.seed is not None:
        config["seed"] = options.seed
    return config


def _safety(edit: EditRequest, options: Options) -> list[tuple[str, str]]:
    given = options.safety_settings
    if given is None:
        low = edit.moderation == "low"
        return [(category, "block_only_high") for category in CATEGORIES] if low else []
    if isinstance(given, dict):
        return list(given.items())
    return [(item.category, item.threshold) for item in given]


def _category(name: str) -> str:
    return f"HARM_CATEGORY_{name.upper().removeprefix('HARM_CATEGORY_')}"


def _inline(picture: Picture) -> dict[str, Any]:
    return {"inlineData": {"mimeType": picture.mime, "data": Base64(picture.blob)}}


def _sides(size: str | None) -> tuple[int, int] | None:
    """Width and height; the core let nothing but ``WIDTHxHEIGHT`` and ``auto`` through."""
    if size is None or size == "auto":
        return None
    width, _, height = size.partition("x")
    return int(width), int(height)


def _nearest_ratio(size: tuple[int, int], ratios: tuple[str, ...]) -> str:
    return min(ratios, key=lambda ratio: _distance(size, ratio))


def _distance(size: tuple[int, int], ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return abs(math.log(size[0] * int(height) / (size[1] * int(width))))
