"""What Nova Canvas and Titan Image Generator v2 refuse, from AWS's guides of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fakes.bedrock_rules import check_mask, invalid, opened

#: By task: the object's key, the fields it needs, those it may have.
TASKS: dict[str, tuple[str, set[str], set[str]]] = {
    "TEXT_IMAGE": (
        "textToImageParams",
        {"text"},
        {"negativeText", "style", "conditionImage", "controlMode", "controlStrength"},
    ),
    "COLOR_GUIDED_GENERATION": (
        "colorGuidedGenerationParams",
        {"text", "colors"},
        {"referenceImage", "negativeText"},
    ),
    "IMAGE_VARIATION": (
        "imageVariationParams",
        {"images"},
        {"text", "negativeText", "similarityStrength"},
    ),
    "INPAINTING": (
        "inPaintingParams",
        {"image"},
        {"maskImage", "maskPrompt", "text", "negativeText", "returnMask"},
    ),
    "OUTPAINTING": (
        "outPaintingParams",
        {"image"},
        {"maskImage", "maskPrompt", "text", "negativeText", "outPaintingMode", "returnMask"},
    ),
    "BACKGROUND_REMOVAL": ("backgroundRemovalParams", {"image"}, set()),
    "VIRTUAL_TRY_ON": (
        "virtualTryOnParams",
        {"sourceImage", "referenceImage", "maskType"},
        {
            "imageBasedMask",
            "garmentBasedMask",
            "promptBasedMask",
            "maskExclusions",
            "mergeStyle",
            "returnMask",
        },
    ),
}
CONFIG = {"width", "height", "quality", "cfgScale", "seed", "numberOfImages"}
KEEPS_SIZE = {"INPAINTING", "OUTPAINTING", "VIRTUAL_TRY_ON"}
TRY_ON_MASKS = {
    "IMAGE": "imageBasedMask",
    "GARMENT": "garmentBasedMask",
    "PROMPT": "promptBasedMask",
}


def check(body: dict[str, Any], edited: Callable[[int, int], Any]) -> int:
    """How many pictures to make; raises ``Refusal`` for what the models would refuse."""
    task = body.get("taskType")
    if task not in TASKS:
        raise invalid(f"Malformed input request: #/taskType: {task} is not a valid enum value")
    key, needed, more = TASKS[task]
    if set(body) - {"taskType", key, "imageGenerationConfig"} or key not in body:
        raise invalid(f"Malformed input request: extraneous or missing keys for {task}")
    params = body[key]
    if needed - set(params) or set(params) - needed - more:
        raise invalid(f"Malformed input request: {key}: {sorted(params)}")
    _check_area(task, params, edited)
    for picture in _pictures(params):
        image = opened(picture)
        if "A" in image.getbands() and image.getchannel("A").getextrema() != (255, 255):
            raise invalid("The image has transparent pixels")
    return _check_config(task, body)


def _check_area(task: str, params: dict[str, Any], edited: Callable[[int, int], Any]) -> None:
    if task in ("INPAINTING", "OUTPAINTING"):
        if ("maskImage" in params) == ("maskPrompt" in params):
            raise invalid("exactly one of maskImage and maskPrompt is required")
        if "maskImage" in params:
            colour = 0 if task == "INPAINTING" else 255
            check_mask(opened(params["maskImage"]), opened(params["image"]), colour, edited)
    if task == "VIRTUAL_TRY_ON":
        kind = params["maskType"]
        if {name for name in TRY_ON_MASKS.values() if name in params} != {TRY_ON_MASKS[kind]}:
            raise invalid("the mask does not go with maskType")
        if kind == "IMAGE":
            mask = params["imageBasedMask"]["maskImage"]
            check_mask(opened(mask), opened(params["sourceImage"]), 0, edited)


def _pictures(params: dict[str, Any]) -> list[Any]:
    names = ("image", "conditionImage", "referenceImage", "sourceImage")
    return [*(params[name] for name in names if name in params), *params.get("images", [])]


def _check_config(task: str, body: dict[str, Any]) -> int:
    config = body.get("imageGenerationConfig", {})
    if task == "BACKGROUND_REMOVAL" and "imageGenerationConfig" in body:
        raise invalid("imageGenerationConfig is not allowed for BACKGROUND_REMOVAL")
    if set(config) - CONFIG or (task in KEEPS_SIZE and {"width", "height"} & set(config)):
        raise invalid(f"Malformed input request: imageGenerationConfig: {sorted(config)}")
    if config.get("quality", "standard") not in ("standard", "premium"):
        raise invalid("Malformed input request: quality")
    if not 0 <= config.get("seed", 12) <= 2_147_483_646:
        raise invalid("Malformed input request: seed")
    count = config.get("numberOfImages", 1)
    if type(count) is not int or not 1 <= count <= 5:
        raise invalid("Malformed input request: numberOfImages")
    return count
