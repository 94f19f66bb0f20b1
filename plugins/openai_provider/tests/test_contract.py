"""OpenAI keeps the contract: with the newest model, with the oldest, and with one unheard of."""

from __future__ import annotations

from typing import Any

import retouch_openai
from retouch.testing import ProviderContract, Received, Reply, reply, samples

USAGE = {
    "input_tokens": 371,
    "input_tokens_details": {"text_tokens": 19, "image_tokens": 352},
    "output_tokens": 439,
    "total_tokens": 810,
}
REST = {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}
SETTINGS = {
    "api_key": "sk-contract-canary-1c7e42",
    "organization": "org-contract",
    "project": "proj_contract",
}


def result(pictures: int) -> dict[str, Any]:
    data = [{"b64_json": samples.RESULT_BASE64}] * pictures
    return {"created": 1_795_000_000, "data": data, "usage": USAGE, **REST}


def event(kind: str, **more: Any) -> tuple[str, dict[str, Any]]:
    picture = {"type": kind, "b64_json": samples.RESULT_BASE64, "created_at": 1_795_000_000}
    return kind, {**picture, **REST, **more}


def refusal(message: str, code: str | None, type: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


def denied(request: Received) -> Reply:
    """OpenAI repeats part of the key that it refuses."""
    key = request.headers["authorization"].removeprefix("Bearer ")
    message = f"Incorrect API key provided: {key[:8]}***{key[-4:]}."
    return reply(401, json=refusal(message, "invalid_api_key"))


REPLIES = {
    "ok": reply(200, json=result(1)),
    "two": reply(200, json=result(2)),
    "stream": reply(
        200,
        sse=[
            event("image_edit.partial_image", partial_image_index=0),
            event("image_edit.completed", usage=USAGE),
        ],
    ),
    "throttled": reply(429, json=refusal("Rate limit reached.", "rate_limit_exceeded", "tokens")),
    "denied": denied,
    "refused": reply(
        400,
        json=refusal(
            "Your request was rejected by the safety system.",
            "moderation_blocked",
            "image_generation_user_error",
        ),
    ),
    "failed": reply(500, json=refusal("The server had an error.", None, "server_error")),
    "broken": reply(200, json={"data": [{"b64_json": None}]}),
}


class OpenAIContract(ProviderContract):
    plugin = retouch_openai
    settings = SETTINGS
    mask_convention = "alpha"
    replies = REPLIES


class TestGptImage2(OpenAIContract):
    model = "gpt-image-2"


class TestGptImage1Mini(OpenAIContract):
    model = "gpt-image-1-mini"


class TestGptImage15(OpenAIContract):
    model = "gpt-image-1.5"


class TestModelOfTomorrow(OpenAIContract):
    model = "gpt-image-9"
