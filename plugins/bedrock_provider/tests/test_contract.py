"""Bedrock keeps the contract: Stability's services, Nova Canvas and Titan, keys and API keys."""

from __future__ import annotations

from typing import Any

import msgspec

import retouch_bedrock
from retouch.testing import ProviderContract, Received, Reply, reply, samples
from retouch_bedrock.families import FAMILIES
from retouch_bedrock.options import Options

ERROR_URI = "http://internal.amazon.com/coral/com.amazon.bedrock/"


def failed(status: int, name: str, message: str) -> Reply:
    headers = {"x-amzn-errortype": f"{name}:{ERROR_URI}", "x-amzn-requestid": "0a1b-kit"}
    return reply(status, json={"message": message}, headers=headers)


def stability(picture: str | None, reason: str | None = None) -> dict[str, Any]:
    made = {} if picture is None else {"seeds": [7], "images": [picture]}
    return {**made, "finish_reasons": [reason]}


def denied(request: Received) -> Reply:
    """AWS repeats what it has signed, the session token among it."""
    head = "\\n".join(f"{name}:{value}" for name, value in request.headers.items())
    message = f"The request signature we calculated does not match. Canonical: {head}"
    return failed(403, "InvalidSignatureException", message)


COMMON = {
    "throttled": failed(429, "ThrottlingException", "Too many requests, please wait."),
    "denied": denied,
    "failed": failed(500, "InternalServerException", "The system encountered an error."),
}
STABILITY_REPLIES = {
    **COMMON,
    "ok": reply(200, json=stability(samples.RESULT_BASE64)),
    "refused": reply(200, json=stability(None, "Filter reason: prompt")),
    "broken": reply(200, json={"images": ["no base64!"], "finish_reasons": [None]}),
}
AMAZON_REPLIES = {
    **COMMON,
    "ok": reply(200, json={"images": [samples.RESULT_BASE64], "error": None}),
    "two": reply(200, json={"images": [samples.RESULT_BASE64] * 2}),
    "refused": reply(
        200,
        json={"error": "All of the generated images have been blocked by our content filters."},
    ),
    "broken": reply(200, json={"images": [None]}),
}

#: A valid value of every request field.
VALUES: dict[str, Any] = {
    "negative_prompt": "fog",
    "seed": 5,
    "style_preset": "anime",
    "grow_mask": 20,
    "search_prompt": "car",
    "select_prompt": "coat",
    "left": 1,
    "right": 2,
    "up": 3,
    "down": 4,
    "creativity": 0.2,
    "control_strength": 0.5,
    "aspect_ratio": "4:5",
    "fidelity": 0.25,
    "composition_fidelity": 0.5,
    "style_strength": 0.5,
    "change_strength": 0.5,
    "strength": 0.9,
    "taskType": "TEXT_IMAGE",
    "maskPrompt": "sky",
    "negativeText": "fog",
    "outPaintingMode": "PRECISE",
    "similarityStrength": 0.4,
    "controlMode": "SEGMENTATION",
    "controlStrength": 0.25,
    "style": "PHOTOREALISM",
    "cfgScale": 4,
    "returnMask": True,
    "colors": ["#ff8800"],
    "virtualTryOnParams": {"garmentBasedMask": {"garmentClass": "SHOES"}},
    "imageGenerationConfig": {"cfgScale": 3},
}


KEYS = {
    "region": "us-west-2",
    "access_key_id": "AKIACONTRACTCANARY01",
    "secret_access_key": "contract/canary+secret/4f0c2b",
    "session_token": "contract-canary-session-token-77ab",
}
API_KEY = {"region": "us-west-2", "api_key": "bedrock-api-key-canary-93d1f0"}
TOGETHER = {"output_compression": {"output_format": "jpeg"}}


class BedrockContract(ProviderContract):
    plugin = retouch_bedrock
    base_url_setting = "endpoint_url"
    settings = KEYS
    replies = STABILITY_REPLIES
    options = VALUES
    together = TOGETHER


def foreign(family: str) -> set[str]:
    """The request fields of other families."""
    return {field.encode_name for field in msgspec.structs.fields(Options)} - set(
        FAMILIES[family].accepts
    )


class TestControlStructure(BedrockContract):
    model = "us.stability.stable-image-control-structure-v1:0"
    foreign_options = foreign("stability-control-structure")


class TestStyleGuide(BedrockContract):
    model = "us.stability.stable-image-style-guide-v1:0"
    foreign_options = foreign("stability-style-guide")


class TestRemoveBackground(BedrockContract):
    model = "us.stability.stable-image-remove-background-v1:0"
    foreign_options = foreign("stability-remove-background")


class TestConservativeUpscale(BedrockContract):
    model = "us.stability.stable-conservative-upscale-v1:0"
    foreign_options = foreign("stability-conservative-upscale")


class TestFastUpscale(BedrockContract):
    model = "stability.stable-fast-upscale-v1:0"
    foreign_options = foreign("stability-fast-upscale")


class TestStableDiffusion(BedrockContract):
    model = "stability.sd3-5-large-v1:0"
    foreign_options = foreign("stability-sd3-5-large")


class MaskedContract(BedrockContract):
    """The kit's pictures have no transparency, so that these models need its mask."""

    mask_convention = "white_edits"

    @classmethod
    def account(cls, address: str) -> dict[str, Any]:
        needs = {cls.model: {"capabilities": {"mask": "must"}}}
        return {**super().account(address), "models": needs}


class TestInpaint(MaskedContract):
    model = "us.stability.stable-image-inpaint-v1:0"
    foreign_options = foreign("stability-inpaint")


class TestErase(MaskedContract):
    model = "us.stability.stable-image-erase-object-v1:0"
    foreign_options = foreign("stability-erase")


#: What a field needs beside it to be one of the task's.
PAINTING = {"taskType": "INPAINTING", "maskPrompt": "sky"}
TASKS = {
    **TOGETHER,
    "outPaintingMode": {"taskType": "OUTPAINTING", "maskPrompt": "sky"},
    "controlMode": {"taskType": "TEXT_IMAGE"},
    "controlStrength": {"taskType": "TEXT_IMAGE"},
    "style": {"taskType": "TEXT_IMAGE"},
    "colors": {"taskType": "COLOR_GUIDED_GENERATION"},
}


class TestNovaCanvas(BedrockContract):
    model = "amazon.nova-canvas-v1:0"
    # Virtual try-on takes two pictures, and the kit sends one.
    foreign_options = foreign("nova-canvas") | {"virtualTryOnParams", "returnMask"}
    mask_convention = "black_edits"
    replies = AMAZON_REPLIES
    together = {**TASKS, "virtualTryOnParams": PAINTING, "returnMask": PAINTING}  # noqa: RUF012


class TestTitan(BedrockContract):
    model = "amazon.titan-image-generator-v2:0"
    foreign_options = foreign("titan-image-v2")
    mask_convention = "black_edits"
    replies = AMAZON_REPLIES
    together = {**TASKS, "returnMask": PAINTING}  # noqa: RUF012


class TestApiKey(BedrockContract):
    model = "us.stability.stable-image-control-sketch-v1:0"
    foreign_options = foreign("stability-control-sketch")
    settings = API_KEY
