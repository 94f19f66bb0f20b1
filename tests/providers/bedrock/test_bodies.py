"""Golden bodies: what each of Bedrock's models is sent, and that a strict fake of it takes it."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest

from tests.fakes.bedrock_upstream import BedrockUpstream
from tests.fakes.pictures import mask, opened, picture

SIZE = (400, 320)
IMAGE = picture(*SIZE)
OTHER = picture(*SIZE, colour="maroon")
LONG = picture(4500, 1900)
MASK = mask(*SIZE)
PROMPT = "a red barn"

#: Model, what the client sends beside model, prompt and image, and the body without pictures.
STABILITY: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "us.stability.stable-image-inpaint-v1:0",
        {
            "mask": MASK,
            "output_format": "webp",
            "extra_body": {"grow_mask": 3, "negative_prompt": "fog", "seed": 9},
        },
        {
            "prompt": PROMPT,
            "image": "<IMAGE>",
            "mask": "<mask>",
            "grow_mask": 3,
            "negative_prompt": "fog",
            "seed": 9,
            "output_format": "webp",
        },
    ),
    (
        "stability.stable-image-erase-object-v1:0",
        {"mask": MASK, "extra_body": {"grow_mask": 0}},
        {"image": "<IMAGE>", "mask": "<mask>", "grow_mask": 0},
    ),
    (
        "us.stability.stable-outpaint-v1:0",
        {"extra_body": {"left": 100, "down": 20, "creativity": 0.25}},
        {"prompt": PROMPT, "image": "<IMAGE>", "left": 100, "down": 20, "creativity": 0.25},
    ),
    (
        "us.stability.stable-outpaint-v1:0",
        {"size": "501x320"},
        {"prompt": PROMPT, "image": "<IMAGE>", "left": 50, "right": 51, "up": 0, "down": 0},
    ),
    (
        "us.stability.stable-outpaint-v1:0",
        {"image": LONG, "size": "8500x1904"},
        {"prompt": PROMPT, "image": "<LONG>", "left": 2000, "right": 2000, "up": 2, "down": 2},
    ),
    (
        "us.stability.stable-image-search-replace-v1:0",
        {"extra_body": {"search_prompt": "the car", "style_preset": "anime"}},
        {
            "prompt": PROMPT,
            "image": "<IMAGE>",
            "search_prompt": "the car",
            "style_preset": "anime",
        },
    ),
    (
        "us.stability.stable-image-search-recolor-v1:0",
        {"extra_body": {"select_prompt": "the coat", "grow_mask": 20}},
        {"prompt": PROMPT, "image": "<IMAGE>", "select_prompt": "the coat", "grow_mask": 20},
    ),
    (
        "us.stability.stable-image-remove-background-v1:0",
        {"background": "transparent"},
        {"image": "<IMAGE>", "output_format": "png"},
    ),
    (
        "us.stability.stable-image-control-sketch-v1:0",
        {"extra_body": {"control_strength": 0.4}},
        {"prompt": PROMPT, "image": "<IMAGE>", "control_strength": 0.4},
    ),
    (
        "us.stability.stable-image-control-structure-v1:0",
        {"output_format": "jpeg"},
        {"prompt": PROMPT, "image": "<IMAGE>", "output_format": "jpeg"},
    ),
    (
        "us.stability.stable-image-style-guide-v1:0",
        {"size": "1536x1024", "extra_body": {"fidelity": 0.75}},
        {"prompt": PROMPT, "image": "<IMAGE>", "aspect_ratio": "3:2", "fidelity": 0.75},
    ),
    (
        "us.stability.stable-style-transfer-v1:0",
        {"image": [IMAGE, OTHER], "extra_body": {"style_strength": 1, "change_strength": 0.1}},
        {
            "prompt": PROMPT,
            "init_image": "<IMAGE>",
            "style_image": "<OTHER>",
            "style_strength": 1.0,
            "change_strength": 0.1,
        },
    ),
    (
        "us.stability.stable-fast-upscale-v1:0",
        {},
        {"image": "<IMAGE>", "output_format": "jpeg"},
    ),
    (
        "us.stability.stable-conservative-upscale-v1:0",
        {"extra_body": {"creativity": 0.5}},
        {"prompt": PROMPT, "image": "<IMAGE>", "creativity": 0.5, "output_format": "jpeg"},
    ),
    (
        "us.stability.stable-creative-upscale-v1:0",
        {"output_format": "webp"},
        {"prompt": PROMPT, "image": "<IMAGE>", "output_format": "webp"},
    ),
    (
        "stability.sd3-5-large-v1:0",
        {"extra_body": {"strength": 0.8}},
        {"mode": "image-to-image", "prompt": PROMPT, "image": "<IMAGE>", "strength": 0.8},
    ),
    (
        "stability.sd3-5-large-v1:0",
        {},
        {"mode": "image-to-image", "prompt": PROMPT, "image": "<IMAGE>", "strength": 0.35},
    ),
]
TRY_ON = {
    "garmentBasedMask": {
        "garmentClass": "UPPER_BODY",
        "maskShape": "CONTOUR",
        "garmentStyling": {"tuckingStyle": "UNTUCKED"},
    },
    "maskExclusions": {"preserveFace": "ON"},
    "mergeStyle": "SEAMLESS",
}
ONE = {"numberOfImages": 1, "seed": 5}
SEED = {"seed": 5}
AMAZON: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"mask": MASK, "extra_body": {**SEED, "negativeText": "fog"}},
        {
            "taskType": "INPAINTING",
            "inPaintingParams": {
                "text": PROMPT,
                "negativeText": "fog",
                "image": "<IMAGE>",
                "maskImage": "<mask>",
            },
            "imageGenerationConfig": ONE,
        },
    ),
    (
        {"mask": MASK, "prompt": " ", "extra_body": SEED},
        {
            "taskType": "INPAINTING",
            "inPaintingParams": {"image": "<IMAGE>", "maskImage": "<mask>"},
            "imageGenerationConfig": ONE,
        },
    ),
    (
        {
            "extra_body": {
                "taskType": "OUTPAINTING",
                "maskPrompt": "the house",
                "negativeText": "people",
                "outPaintingMode": "PRECISE",
                "imageGenerationConfig": {"cfgScale": 8.5, "seed": 5},
            }
        },
        {
            "taskType": "OUTPAINTING",
            "outPaintingParams": {
                "text": PROMPT,
                "negativeText": "people",
                "image": "<IMAGE>",
                "maskPrompt": "the house",
                "outPaintingMode": "PRECISE",
            },
            "imageGenerationConfig": {"numberOfImages": 1, "cfgScale": 8.5, "seed": 5},
        },
    ),
    (
        {"mask": MASK, "extra_body": {**SEED, "taskType": "OUTPAINTING"}},
        {
            "taskType": "OUTPAINTING",
            "outPaintingParams": {"text": PROMPT, "image": "<IMAGE>", "maskImage": "<mask>"},
            "imageGenerationConfig": ONE,
        },
    ),
    (
        {"extra_body": {"taskType": "BACKGROUND_REMOVAL"}},
        {"taskType": "BACKGROUND_REMOVAL", "backgroundRemovalParams": {"image": "<IMAGE>"}},
    ),
    (
        {
            "image": [IMAGE, OTHER],
            "n": 3,
            "size": "512x768",
            "quality": "high",
            "extra_body": {**SEED, "similarityStrength": 0.7},
        },
        {
            "taskType": "IMAGE_VARIATION",
            "imageVariationParams": {
                "text": PROMPT,
                "images": ["<IMAGE>", "<OTHER>"],
                "similarityStrength": 0.7,
            },
            "imageGenerationConfig": {
                "numberOfImages": 3,
                "width": 512,
                "height": 768,
                "quality": "premium",
                "seed": 5,
            },
        },
    ),
    (
        {"image": [IMAGE, OTHER], "extra_body": {**SEED, "virtualTryOnParams": TRY_ON}},
        {
            "taskType": "VIRTUAL_TRY_ON",
            "virtualTryOnParams": {
                "sourceImage": "<IMAGE>",
                "referenceImage": "<OTHER>",
                "maskType": "GARMENT",
                **TRY_ON,
            },
            "imageGenerationConfig": ONE,
        },
    ),
    (
        {
            "image": [IMAGE, OTHER],
            "mask": MASK,
            "extra_body": {**SEED, "taskType": "VIRTUAL_TRY_ON"},
        },
        {
            "taskType": "VIRTUAL_TRY_ON",
            "virtualTryOnParams": {
                "sourceImage": "<IMAGE>",
                "referenceImage": "<OTHER>",
                "maskType": "IMAGE",
                "imageBasedMask": {"maskImage": "<mask>"},
            },
            "imageGenerationConfig": ONE,
        },
    ),
    (
        {"extra_body": {**SEED, "taskType": "TEXT_IMAGE", "controlMode": "SEGMENTATION"}},
        {
            "taskType": "TEXT_IMAGE",
            "textToImageParams": {
                "text": PROMPT,
                "conditionImage": "<IMAGE>",
                "controlMode": "SEGMENTATION",
            },
            "imageGenerationConfig": ONE,
        },
    ),
    (
        {
            "extra_body": {
                **SEED,
                "taskType": "COLOR_GUIDED_GENERATION",
                "colors": ["#FF8800", "#00aa55"],
            }
        },
        {
            "taskType": "COLOR_GUIDED_GENERATION",
            "colorGuidedGenerationParams": {
                "text": PROMPT,
                "colors": ["#FF8800", "#00aa55"],
                "referenceImage": "<IMAGE>",
            },
            "imageGenerationConfig": ONE,
        },
    ),
]


@pytest.mark.parametrize(("model", "sent", "golden"), STABILITY)
def test_stability(
    sdk: openai.OpenAI,
    bedrock: BedrockUpstream,
    model: str,
    sent: dict[str, Any],
    golden: dict[str, Any],
) -> None:
    sdk.images.edit(**{"model": f"bedrock/{model}", "prompt": PROMPT, "image": IMAGE, **sent})
    received = bedrock.only()
    assert without_pictures(received.document) == golden
    profile = "us." if "sd3" not in model else ""
    wire = (profile + model.removeprefix("us.")).replace(":", "%3A")
    assert received.path == f"/model/{wire}/invoke"


@pytest.mark.parametrize("model", ["amazon.nova-canvas-v1:0", "amazon.titan-image-generator-v2:0"])
@pytest.mark.parametrize(("sent", "golden"), AMAZON)
def test_amazon(
    sdk: openai.OpenAI,
    bedrock: BedrockUpstream,
    model: str,
    sent: dict[str, Any],
    golden: dict[str, Any],
) -> None:
    if "titan" in model and golden["taskType"] == "VIRTUAL_TRY_ON":
        pytest.skip("Titan has no VIRTUAL_TRY_ON")
    if "titan" in model and "size" in sent:
        sent = {**sent, "size": "768x1152"}
        config = {**golden["imageGenerationConfig"], "width": 768, "height": 1152}
        golden = {**golden, "imageGenerationConfig": config}
    sdk.images.edit(**{"model": f"bedrock/{model}", "prompt": PROMPT, "image": IMAGE, **sent})
    assert without_pictures(bedrock.only().document) == golden


def test_without_a_seed_nova_draws_one(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    """Nova's own default is always 12, so that all edits would look alike."""
    for _ in range(2):
        sdk.images.edit(model="bedrock/amazon.nova-canvas-v1:0", prompt=PROMPT, image=IMAGE)
    seeds = [item.document["imageGenerationConfig"]["seed"] for item in bedrock.requests]
    assert seeds[0] != seeds[1]


def test_n_above_five_has_other_seeds(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    answer = sdk.images.edit(
        model="bedrock/amazon.nova-canvas-v1:0",
        prompt=PROMPT,
        image=IMAGE,
        n=7,
        extra_body={"seed": 100},
    )
    assert answer.data is not None
    assert len(answer.data) == 7
    configs = [item.document["imageGenerationConfig"] for item in bedrock.requests]
    wanted = [{"numberOfImages": 5, "seed": 100}, {"numberOfImages": 2, "seed": 105}]
    assert sorted(configs, key=lambda config: config["seed"]) == wanted


def test_the_picture_itself_may_be_the_mask(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    """Stability reads the alpha itself; Nova gets it as a mask, and the picture on white."""
    for model, more in (
        ("us.stability.stable-image-inpaint-v1:0", {}),
        ("amazon.nova-canvas-v1:0", {"taskType": "INPAINTING"}),
        ("amazon.nova-canvas-v1:0", {"taskType": "OUTPAINTING"}),
    ):
        sdk.images.edit(model=f"bedrock/{model}", prompt=PROMPT, image=MASK, extra_body=more)
    inpaint, nova, outpaint = (item.document for item in bedrock.requests)
    assert base64.b64decode(inpaint["image"]) == MASK
    assert "mask" not in inpaint
    # The left half of this picture is transparent.
    flat = opened(base64.b64decode(nova["inPaintingParams"]["image"]))
    assert [flat.convert("RGB").getpixel(at) for at in ((5, 5), (390, 5))] == [
        (255, 255, 255),
        (0, 0, 0),
    ]
    area = opened(base64.b64decode(nova["inPaintingParams"]["maskImage"]))
    assert [area.getpixel(at) for at in ((5, 5), (390, 5))] == [(0, 0, 0), (255, 255, 255)]
    area = opened(base64.b64decode(outpaint["outPaintingParams"]["maskImage"]))
    assert [area.getpixel(at) for at in ((5, 5), (390, 5))] == [(255, 255, 255), (0, 0, 0)]


def test_a_turned_picture_goes_upright_with_its_mask(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    """EXIF 6: shown turned right, so that the stored left half is the displayed upper half."""
    exif = opened(IMAGE).getexif()
    exif[0x0112] = 6
    bedrock.edited = lambda width, height: (0, 0, width, height // 2)
    sdk.images.edit(
        model="bedrock/us.stability.stable-image-erase-object-v1:0",
        prompt=PROMPT,
        image=picture(*SIZE, format="JPEG", exif=exif),
        mask=MASK,
    )
    assert opened(base64.b64decode(bedrock.only().document["image"])).size == (320, 400)


def without_pictures(value: Any, name: str = "") -> Any:
    """The document with a short word in place of each picture."""
    if isinstance(value, dict):
        return {key: without_pictures(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [without_pictures(item, name) for item in value]
    if name in ("mask", "maskImage"):
        return "<mask>"
    if isinstance(value, str) and len(value) > 200:
        known = {IMAGE: "<IMAGE>", OTHER: "<OTHER>", LONG: "<LONG>"}
        return known.get(base64.b64decode(value), "<another picture>")
    return value
