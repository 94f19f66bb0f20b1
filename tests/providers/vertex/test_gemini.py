"""Gemini through the front door: the program, the OpenAI SDK, a strict fake of Google."""

from __future__ import annotations

import base64

import openai
import pytest

from tests.fakes.pictures import opened
from tests.fakes.replies import Answer
from tests.fakes.vertex_upstream import API_KEY, VertexUpstream, generated
from tests.providers.vertex_accounts import (
    GEMINI,
    IMAGEN,
    JPEG,
    PNG,
    PREFIX,
    decoded,
    edit,
    hole,
    inline,
)


def test_gemini_gets_pictures_in_order_and_the_prompt_last(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    answer = edit(sdk, GEMINI, image=[PNG, JPEG], size="1536x1024", extra_body={"seed": 3})
    sent = google.only()
    path = f"{PREFIX}/us-central1/publishers/google/models/{GEMINI}:generateContent"
    assert sent.path == path
    assert sent.document == {
        "contents": [
            {
                "role": "user",
                "parts": [
                    inline(PNG, "image/png"),
                    inline(JPEG, "image/jpeg"),
                    {"text": "A red hat."},
                ],
            }
        ],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "3:2", "imageSize": "1K"},
            "seed": 3,
        },
    }
    # The draft of 8x8 is not returned; the type is that of the bytes, not what Google says.
    assert len(answer.data) == 1
    assert (decoded(answer).format, decoded(answer).size) == ("JPEG", (24, 16))
    assert (answer.output_format, answer.size) == ("jpeg", "24x16")


def test_gemini_s_usage_and_cost(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    answer = edit(sdk, GEMINI)
    assert answer.usage.to_dict() == {
        "input_tokens": 1130,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 1120},
        "output_tokens": 1200,
        "output_tokens_details": {"text_tokens": 80, "image_tokens": 1120},
        "total_tokens": 2330,
    }
    # 1130 x $1.50 + 1120 x $30 + 80 x $7.50, per million
    assert answer.cost == pytest.approx(0.035895)


def test_gemini_makes_several_by_several_calls(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    answer = edit(sdk, GEMINI, n=3)
    assert len(answer.data) == 3
    assert len(google.requests) == 3
    assert answer.cost == pytest.approx(3 * 0.035895)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_gemini_s_jpeg_is_converted(sdk: openai.OpenAI, google: VertexUpstream, kind: str) -> None:
    answer = edit(sdk, GEMINI, output_format=kind)
    assert decoded(answer).format == kind.upper()
    assert answer.output_format == kind


def test_gemini_streams(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    events = list(edit(sdk, GEMINI, stream=True, partial_images=2))
    assert [event.type for event in events] == ["image_edit.completed"]
    assert opened(base64.b64decode(events[0].b64_json)).size == (24, 16)
    assert events[0].usage.total_tokens == 2330
    assert events[0].cost == pytest.approx(0.035895)
    assert google.only().path.endswith(":streamGenerateContent?alt=sse")


def test_gemini_refuses_a_mask(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    with pytest.raises(openai.BadRequestError, match="mask_as_hint") as caught:
        edit(sdk, GEMINI, mask=hole())
    assert (caught.value.param, caught.value.code) == ("mask", "unsupported_parameter")
    assert not google.requests


@pytest.mark.parametrize("stream", [False, True])
def test_a_mask_as_a_hint(sdk: openai.OpenAI, google: VertexUpstream, stream: bool) -> None:
    raw = sdk.images.with_raw_response.edit(
        model=f"vx/{GEMINI}",
        prompt="A red hat.",
        image=[PNG, JPEG],
        mask=hole(),
        stream=stream,
        extra_body={"mask_as_hint": True},
    )
    assert raw.headers["x-retouch-mask"] == "hint"
    parts = google.only().document["contents"][0]["parts"]
    assert parts[0] == inline(PNG, "image/png")
    hint = opened(base64.b64decode(parts[1]["inlineData"]["data"]))
    assert hint.convert("L").getbbox() == (4, 3, 12, 9)
    assert parts[2] == inline(JPEG, "image/jpeg")
    assert "second picture is a mask" in parts[3]["text"]
    assert parts[4] == {"text": "A red hat."}


def test_gemini_s_own_options(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    edit(
        sdk,
        GEMINI,
        extra_body={
            "aspectRatio": "1:8",
            "imageSize": "4K",
            "thinkingLevel": "minimal",
            "personGeneration": "allow_none",
            "safetySettings": {"HARM_CATEGORY_HARASSMENT": "BLOCK_NONE"},
            "labels": {"team": "b"},
        },
    )
    document = google.only().document
    assert document["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {
            "aspectRatio": "1:8",
            "imageSize": "4K",
            "personGeneration": "ALLOW_NONE",
        },
        "thinkingConfig": {"thinkingLevel": "MINIMAL"},
    }
    setting = {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}
    assert document["safetySettings"] == [setting]
    assert document["labels"] == {"team": "b"}


def test_express_mode(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    sdk.images.edit(model=f"express/{GEMINI}", image=PNG, prompt="x")
    sent = google.only()
    assert sent.path == f"/v1/publishers/google/models/{GEMINI}:generateContent"
    assert sent.headers["x-goog-api-key"] == API_KEY
    assert "authorization" not in sent.headers
    with pytest.raises(openai.NotFoundError, match="needs a project"):
        sdk.images.edit(model=f"express/{IMAGEN}", image=PNG, prompt="x")


def test_google_cannot_speak_for_the_gateway(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    answer = generated()
    assert isinstance(answer, Answer)
    answer.headers = {"x-retouch-mask": "hint", "x-ratelimit-limit-requests": "5"}
    google.script(answer)
    raw = sdk.images.with_raw_response.edit(model=f"vx/{GEMINI}", image=PNG, prompt="x")
    assert raw.headers["x-ratelimit-limit-requests"] == "5"
    assert "x-retouch-mask" not in raw.headers
