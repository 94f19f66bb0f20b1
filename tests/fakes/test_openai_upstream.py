"""The fake provider against the real OpenAI SDK, without the gateway between them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai.types import ImagesResponse

from tests.fakes import multipart_form
from tests.fakes.multipart_form import file, text
from tests.fakes.openai_upstream import REQUEST_ID, USAGE, OpenAIUpstream
from tests.fakes.pictures import mask, opened, picture
from tests.fakes.replies import Answer, CutBody, Events, Hang, Redirect, Reset, error

PNG = picture()
GOOD: dict[str, Any] = {"model": "gpt-image-2", "prompt": "x", "image": ("a.png", PNG)}


@pytest.fixture(scope="module")
def client_of_the_fake(upstream_server: OpenAIUpstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=upstream_server.base_url, api_key=upstream_server.api_key, max_retries=0
    ) as client:
        yield client


@pytest.fixture
def sdk(client_of_the_fake: openai.OpenAI, upstream: OpenAIUpstream) -> openai.OpenAI:
    return client_of_the_fake


def test_answers_with_real_pictures(sdk: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    answer = sdk.images.edit(**GOOD, n=2, output_format="webp")
    assert answer.data is not None
    pictures = [opened(base64.b64decode(item.b64_json or "")) for item in answer.data]
    assert [(item.format, item.size) for item in pictures] == [("WEBP", (24, 16))] * 2
    assert pictures[0].getpixel((20, 2)) != pictures[1].getpixel((20, 2))
    assert answer.usage is not None
    assert answer.usage.to_dict() == USAGE
    assert answer._request_id == REQUEST_ID


def test_records_what_came(sdk: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    sdk.images.edit(**GOOD | {"image": [("a.png", PNG), ("b.jpg", picture(format="JPEG"))]})
    received = upstream.only()
    assert (received.method, received.path) == ("POST", "/v1/images/edits")
    assert received.fields == {"prompt": "x", "model": "gpt-image-2"}
    assert [(part.name, part.content_type) for part in received.files] == [
        ("image[]", "image/png"),
        ("image[]", "image/jpeg"),
    ]
    assert received.files[0].sha256 == hashlib.sha256(PNG).hexdigest()
    assert received.complete


REFUSED: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "nameless bytes": ({"image": PNG}, "unsupported_file_mimetype", "image"),
    "type that lies": ({"image": ("a.jpg", PNG, "image/jpeg")}, "invalid_image_file", None),
    "name that lies": ({"image": ("a.jpg", PNG, "image/png")}, "invalid_image_file", None),
    "no extension": ({"image": ("a", PNG, "image/png")}, "invalid_image_file", None),
    "no picture": ({"image": ("a.png", b"abc")}, "invalid_image_file", None),
    "gif": (
        {"image": ("a.gif", picture(format="GIF"))},
        "unsupported_file_mimetype",
        "image",
    ),
    "mask without alpha": ({"mask": ("m.png", PNG)}, "invalid_image_file", None),
    "mask of another size": ({"mask": ("m.png", mask(8, 8))}, "invalid_image_file", None),
    "mask as jpeg": (
        {"mask": ("m.jpg", picture(format="JPEG"))},
        "unsupported_file_mimetype",
        "mask",
    ),
    "response_format": ({"response_format": "b64_json"}, "unknown_parameter", "response_format"),
    "unknown field": ({"extra_body": {"seed": 1}}, "unknown_parameter", "seed"),
    "bad enum": ({"quality": "best"}, "invalid_value", "quality"),
    "quality of later models": ({"quality": "max"}, "invalid_value", "quality"),
    "odd size": ({"size": "1000x1000"}, "invalid_value", "size"),
    "fidelity": ({"input_fidelity": "low"}, "invalid_value", "input_fidelity"),
    "too many results": ({"n": 11}, "invalid_value", "n"),
    "empty prompt": ({"prompt": ""}, "missing_required_parameter", "prompt"),
    "long prompt": ({"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
    "too many images": ({"image": [("a.png", PNG)] * 17}, "array_above_max_length", "image"),
    "image as text": ({"extra_body": {"image": "s"}}, "invalid_type", "image"),
    "no image": ({"image": []}, "missing_required_parameter", "image"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refuses_a_form(
    sdk: openai.OpenAI,
    upstream: OpenAIUpstream,
    case: tuple[dict[str, Any], str | None, str | None],
) -> None:
    changes, code, param = case
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.images.edit(**GOOD | changes)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.request_id == REQUEST_ID
    assert upstream.only().refusal is not None


def test_octet_stream_gets_the_message_of_the_real_one(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.images.edit(**GOOD | {"image": PNG})
    assert caught.value.body == {
        "message": "Invalid file 'image': unsupported mimetype ('application/octet-stream'). "
        "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.",
        "type": "invalid_request_error",
        "param": "image",
        "code": "unsupported_file_mimetype",
    }


@pytest.mark.parametrize("model", ["gpt-image-1", "dall-e-2", "openai-main/gpt-image-2", ""])
def test_refuses_a_model(sdk: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.images.edit(**GOOD | {"model": model})
    assert caught.value.code == "model_not_found"


def test_refuses_a_key(upstream: OpenAIUpstream) -> None:
    with (
        openai.OpenAI(base_url=upstream.base_url, api_key="sk-other") as sdk,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        sdk.images.edit(**GOOD)
    assert caught.value.code == "invalid_api_key"


def data_url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def post_json(sdk: openai.OpenAI, **changes: Any) -> ImagesResponse:
    body = {
        "model": "gpt-image-2",
        "prompt": "x",
        "images": [{"image_url": data_url(PNG)}],
        **changes,
    }
    return sdk.post("/images/edits", body=body, cast_to=ImagesResponse)


def test_takes_json(sdk: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    images = [
        {"image_url": data_url(PNG)},
        {"image_url": "https://example.com/a.png"},
        {"file_id": "file-1"},
    ]
    assert post_json(sdk, images=images, mask={"image_url": data_url(mask())}, n=None).data
    assert upstream.only().document["images"] == images


JSON_REFUSED: dict[str, tuple[dict[str, Any], str | None]] = {
    "both keys": ({"images": [{"image_url": "https://e.com/a", "file_id": "file-1"}]}, "images[0]"),
    "neither key": ({"images": [{}]}, "images[0]"),
    "extra key": (
        {"images": [{"file_id": "file-1", "detail": "high"}]},
        "images[0].detail",
    ),
    "bare string": ({"images": ["https://e.com/a.png"]}, "images[0]"),
    "long url": (
        {"images": [{"image_url": "https://e.com/" + "a" * 20_971_520}]},
        "images[0].image_url",
    ),
    "plain http": ({"images": [{"image_url": "http://e.com/a"}]}, "images[0].image_url"),
    "bad base64": (
        {"images": [{"image_url": "data:image/png;base64,@@@@"}]},
        "images[0].image_url",
    ),
    "no images": ({"images": []}, "images"),
    "17 images": ({"images": [{"file_id": "file-1"}] * 17}, "images"),
    "image": ({"image": "x"}, "image"),
    "response_format": ({"response_format": "url"}, "response_format"),
    "number as text": ({"n": "1"}, "n"),
    "mask without alpha": ({"mask": {"image_url": data_url(PNG)}}, None),
}


@pytest.mark.parametrize("case", JSON_REFUSED.values(), ids=JSON_REFUSED.keys())
def test_refuses_json(sdk: openai.OpenAI, case: tuple[dict[str, Any], str | None]) -> None:
    changes, param = case
    with pytest.raises(openai.BadRequestError) as caught:
        post_json(sdk, **changes)
    assert caught.value.param == param


def test_refuses_a_cut_form(upstream: OpenAIUpstream) -> None:
    body, content_type = multipart_form.encode(
        text("prompt", "x"), text("model", "gpt-image-2"), file("image", PNG, "a.png", "image/png")
    )
    headers = {"authorization": f"Bearer {upstream.api_key}", "content-type": content_type}
    url = f"{upstream.base_url}/images/edits"
    assert httpx2.post(url, content=body, headers=headers).status_code == 200
    assert httpx2.post(url, content=body[:-4], headers=headers).status_code == 400


def test_streams(sdk: openai.OpenAI) -> None:
    events = list(sdk.images.edit(**GOOD, stream=True, partial_images=2))
    assert [event.type for event in events] == [
        "image_edit.partial_image",
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    completed = events[-1]
    assert completed.type == "image_edit.completed"
    assert completed.usage.total_tokens == 810


def test_answers_as_scripted(sdk: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(
        error(429, "rate_limit_exceeded", headers={"retry-after": "7"}),
        Answer(body=b"<html>", content_type="text/html", status=503, delay=0.01),
        Redirect(f"{upstream.base_url}/elsewhere"),
    )
    with pytest.raises(openai.RateLimitError) as limited:
        sdk.images.edit(**GOOD)
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError):
        sdk.images.edit(**GOOD)
    with pytest.raises(openai.NotFoundError):  # the SDK follows the redirect
        sdk.images.edit(**GOOD)
    assert sdk.images.edit(**GOOD).data


@pytest.mark.parametrize("broken", [Reset(), CutBody()])
def test_breaks_connections(
    sdk: openai.OpenAI, upstream: OpenAIUpstream, broken: Reset | CutBody
) -> None:
    upstream.script(broken)
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        sdk.images.edit(**GOOD)
    upstream.only()


def test_breaks_streams(sdk: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(
        Events([]),
        Events([{"type": "image_edit.partial_image"}, 'data: {"type": "ima'], end="abort"),
    )
    assert list(sdk.images.edit(**GOOD, stream=True)) == []
    with pytest.raises((httpx2.TransportError, openai.APIError)):
        list(sdk.images.edit(**GOOD, stream=True))


def test_notices_that_a_client_left(sdk: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(Hang())
    with pytest.raises(openai.APITimeoutError):
        sdk.images.edit(**GOOD, timeout=3)
    assert upstream.wait_for_request().left.wait(5)
