"""The JSON form of the endpoint, which OpenAI documents and no SDK method sends."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest
from openai.types import ImagesResponse

from tests.fakes.gateway import Gateway
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.openai_upstream import OpenAIUpstream
from tests.fakes.pictures import mask, opened, picture
from tests.fakes.raw_http import post

MODEL = "openai-main/gpt-image-2"
NEWEST = "openai-main/gpt-image-2.6-flare"
PNG, JPEG = picture(), picture(format="JPEG")


def data_url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


INLINE = {"image_url": data_url(PNG)}
HTTPS = {"image_url": "https://example.com/a%20b.png?x=1&y=%2F#z"}
STORED = {"file_id": "file-AbC123"}


def edit(client: openai.OpenAI, **changes: Any) -> ImagesResponse:
    body = {"model": MODEL, "prompt": "Gr\u00fc\u00dfe", "images": [INLINE], **changes}
    return client.post("/images/edits", body=body, cast_to=ImagesResponse)


# What reaches the provider -------------------------------------------------------------------

IMAGES: dict[str, list[dict[str, str]]] = {
    "data": [INLINE],
    "https": [HTTPS],
    "file_id": [STORED],
    "all kinds": [HTTPS, {"image_url": data_url(JPEG, "image/jpeg")}, STORED, INLINE],
    "sixteen": [STORED] * 16,
}


@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES.keys())
def test_images_go_through_untouched(
    client: openai.OpenAI, upstream: OpenAIUpstream, images: list[dict[str, str]]
) -> None:
    assert edit(client, images=images).data
    assert upstream.only().document == {
        "model": "gpt-image-2",
        "prompt": "Gr\u00fc\u00dfe",
        "images": images,
    }


async def test_async(async_client: openai.AsyncOpenAI, upstream: OpenAIUpstream) -> None:
    body = {"model": MODEL, "prompt": "x", "images": [HTTPS]}
    answer = await async_client.post("/images/edits", body=body, cast_to=ImagesResponse)
    assert answer.data
    assert upstream.only().document["images"] == [HTTPS]


def test_the_bytes_decide_the_type(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    """The fake refuses a data URL whose type does not fit its bytes."""
    assert edit(client, images=[{"image_url": data_url(JPEG, "image/png")}]).data
    (sent,) = upstream.only().document["images"]
    assert sent["image_url"] == data_url(JPEG, "image/jpeg")


def test_mask(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    assert edit(client, mask={"image_url": data_url(mask())}).data
    sent = upstream.only().document["mask"]["image_url"]
    alpha = opened(base64.b64decode(sent.removeprefix("data:image/png;base64,"))).getchannel("A")
    assert (alpha.size, alpha.getpixel((15, 0)), alpha.getpixel((16, 0))) == ((32, 24), 0, 255)


@pytest.mark.parametrize("reference", [HTTPS, STORED])
def test_mask_by_reference(
    client: openai.OpenAI, upstream: OpenAIUpstream, reference: dict[str, str]
) -> None:
    assert edit(client, images=[reference], mask=reference).data
    assert upstream.only().document["mask"] == reference


PARAMETERS: list[dict[str, Any]] = [
    {"n": 2, "size": "1024x1536", "quality": "low"},
    {"background": "transparent", "output_format": "webp", "output_compression": 50},
    {"user": "u", "moderation": "low"},
    {"complexity": "low"},
    {"output_format": "gif", "frame_count": 2, "frame_duration_ms": 100},
]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_parameters_keep_their_types(
    client: openai.OpenAI, upstream: OpenAIUpstream, parameters: dict[str, Any]
) -> None:
    assert edit(client, model=NEWEST, **parameters).data
    document = upstream.only().document
    assert document == {
        "model": "gpt-image-2.6-flare",
        "prompt": "Gr\u00fc\u00dfe",
        "images": [INLINE],
        **parameters,
    }


def test_null_means_absent(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    nulls = ("n", "size", "quality", "mask", "user", "stream", "background", "partial_images")
    assert edit(client, **dict.fromkeys(nulls)).data
    assert all(upstream.only().document.get(name) is None for name in nulls)


def test_stream(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    stream = client.post(
        "/images/edits",
        body={
            "model": MODEL,
            "prompt": "x",
            "images": [HTTPS],
            "stream": True,
            "partial_images": 1,
        },
        cast_to=ImagesResponse,
        stream=True,
        stream_cls=openai.Stream[Any],
    )
    types = [event["type"] for event in stream]
    assert types == ["image_edit.partial_image", "image_edit.completed"]
    assert upstream.only().document["stream"] is True


def test_the_sdk_with_an_overridden_content_type(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    """The known way to send JSON through ``images.edit``."""
    answer = client.images.edit(
        model=MODEL,
        prompt="x",
        image=[],
        extra_headers={"Content-Type": "application/json"},
        extra_body={"images": [HTTPS], "n": 1},
    )
    assert answer.data
    assert upstream.only().document["images"] == [HTTPS]


def test_a_field_newer_than_the_gateway(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    """JSON extras keep every type and grouping."""
    extra = {"a": [{"k": 1, "l": [1.5, None]}, {"k": True}], "b": "\u6728"}
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, brand_new=extra)
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", "brand_new")
    assert upstream.only().document["brand_new"] == extra


def test_metadata_stays_here(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    assert edit(client, metadata={"team": "a", "nested": {"x": [1]}}).data
    assert "metadata" not in upstream.only().document


# extra_headers -------------------------------------------------------------------------------


def test_extra_headers_go_upstream(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    assert edit(client, extra_headers={"X-Trace": "abc", "OpenAI-Beta": "images=v2"}).data
    received = upstream.only()
    assert (received.headers["x-trace"], received.headers["openai-beta"]) == ("abc", "images=v2")
    assert "extra_headers" not in received.document


HEADERS: list[Any] = [
    {"Authorization": "Bearer x"},
    {"authorization": "x"},
    {"Api-Key": "x"},
    {"x-goog-api-key": "x"},
    {"X-Amz-Security-Token": "x"},
    {"Proxy-Authorization": "x"},
    {"Cookie": "x"},
    {"Host": "example.com"},
    {"Content-Length": "1"},
    {"Content-Type": "text/plain"},
    {"Transfer-Encoding": "chunked"},
    {"Connection": "close"},
    {"Expect": "100-continue"},
    {"X-A": "b\r\nAuthorization: x"},
    {"X-A\r\nB": "x"},
    {"X A": "x"},
    {"X-A": "\x00"},
    {"X-A": 1},
    {"X-A": None},
    {"": "x"},
    ["X-A"],
    "X-A: b",
]


@pytest.mark.parametrize("headers", HEADERS, ids=repr)
def test_extra_headers_refused(
    client: openai.OpenAI, upstream: OpenAIUpstream, headers: Any
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, extra_headers=headers)
    assert (caught.value.param or "").startswith("extra_headers")
    assert upstream.requests == []


# What is refused -----------------------------------------------------------------------------

GIF = picture(format="GIF")
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "bare string": ({"images": ["https://example.com/a.png"]}, "images"),
    "both keys": ({"images": [{**HTTPS, **STORED}]}, "images"),
    "neither key": ({"images": [{}]}, "images"),
    "extra key": ({"images": [{**HTTPS, "detail": "high"}]}, "images"),
    "second is bad": ({"images": [HTTPS, {"url": "https://example.com/a.png"}]}, "images"),
    "null item": ({"images": [None]}, "images"),
    "null url": ({"images": [{"image_url": None}]}, "images"),
    "number as url": ({"images": [{"image_url": 7}]}, "images"),
    "object as url": ({"images": [{"image_url": {"url": "https://example.com/a.png"}}]}, "images"),
    "empty url": ({"images": [{"image_url": ""}]}, "images"),
    "empty file_id": ({"images": [{"file_id": ""}]}, "images"),
    "no images": ({"images": []}, "images"),
    "images null": ({"images": None}, "images"),
    "images an object": ({"images": HTTPS}, "images"),
    "17 images": ({"images": [HTTPS] * 17}, "images"),
    "image as well": ({"image": "abc"}, "image"),
    "plain http": ({"images": [{"image_url": "http://example.com/a.png"}]}, "images"),
    "ftp": ({"images": [{"image_url": "ftp://example.com/a.png"}]}, "images"),
    "file": ({"images": [{"image_url": "file:///etc/passwd"}]}, "images"),
    "long url": ({"images": [{"image_url": "https://e.com/" + "a" * 20_971_520}]}, "images"),
    "data without base64": ({"images": [{"image_url": "data:image/png,abc"}]}, "images"),
    "data not base64": ({"images": [{"image_url": "data:image/png;base64,@@@@"}]}, "images"),
    "data cut": ({"images": [{"image_url": data_url(PNG)[:-5]}]}, "images"),
    "data url-safe": ({"images": [{"image_url": "data:image/png;base64,iVBO_-=="}]}, "images"),
    "data empty": ({"images": [{"image_url": "data:image/png;base64,"}]}, "images"),
    "data of a gif": ({"images": [{"image_url": data_url(GIF)}]}, "images"),
    "data of half a picture": ({"images": [{"image_url": data_url(PNG[:60])}]}, "images"),
    "mask a string": ({"mask": data_url(mask())}, "mask"),
    "mask with both": ({"mask": {**HTTPS, **STORED}}, "mask"),
    "mask without alpha": ({"mask": INLINE}, "mask"),
    "mask of another size": ({"mask": {"image_url": data_url(mask(8, 8))}}, "mask"),
    "prompt null": ({"prompt": None}, "prompt"),
    "prompt empty": ({"prompt": ""}, "prompt"),
    "prompt a number": ({"prompt": 7}, "prompt"),
    "prompt too long": ({"prompt": "x" * 32_001}, "prompt"),
    "prompt with NUL": ({"prompt": "a\x00b"}, "prompt"),
    "model a number": ({"model": 7}, "model"),
    "n as text": ({"n": "1"}, "n"),
    "n as a fraction": ({"n": 1.5}, "n"),
    "n true": ({"n": True}, "n"),
    "n of 0": ({"n": 0}, "n"),
    "n huge": ({"n": 10**30}, "n"),
    "stream as text": ({"stream": "true"}, "stream"),
    "links": ({"response_format": "url"}, "response_format"),
    "metadata a string": ({"metadata": "x"}, "metadata"),
    "closed account": ({"model": "openai-closed/gpt-image-2", "brand_new": [1]}, "brand_new"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused(
    client: openai.OpenAI, upstream: OpenAIUpstream, case: tuple[dict[str, Any], str]
) -> None:
    changes, param = case
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, **changes)
    assert (caught.value.param or "").partition("[")[0].partition(".")[0] == param
    assert upstream.requests == []


@pytest.mark.parametrize("reference", [HTTPS, STORED])
@pytest.mark.parametrize("where", ["images", "mask"])
def test_references_need_a_provider_that_can_follow_them(
    client: openai.OpenAI, upstream: OpenAIUpstream, reference: dict[str, str], where: str
) -> None:
    images = [reference] if where == "images" else [INLINE]
    area = {"image_url": data_url(mask())} if where == "images" else reference
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, model="local/inpaint", images=images, mask=area)
    assert caught.value.param == where
    assert "file" in caught.value.message or "address" in caught.value.message
    assert upstream.requests == []


@pytest.mark.parametrize("count", [2, 3])
def test_refusals_name_the_field_that_json_has(client: openai.OpenAI, count: int) -> None:
    """Whoever sends `images` looks for `image` in vain."""
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, model="local/ops", prompt="grayscale", images=[INLINE] * count)
    assert (caught.value.param, caught.value.code) == ("images", "too_many_images")


def test_data_urls_reach_the_local_provider(client: openai.OpenAI) -> None:
    answer = edit(client, model="local/inpaint", mask={"image_url": data_url(mask())})
    assert answer.data
    assert opened(base64.b64decode(answer.data[0].b64_json or "")).size == (32, 24)


def test_a_form_labelled_json(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    """What Node's and Python's SDKs send when only the content type is overridden."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.edit(
            model=MODEL, prompt="x", image=PNG, extra_headers={"Content-Type": "application/json"}
        )
    assert "multipart" in caught.value.message.lower()
    assert upstream.requests == []


GOOD = json.dumps({"model": MODEL, "prompt": "x", "images": [HTTPS]}).encode()
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blank": b"  ",
    "cut": GOOD[:-1],
    "trailing garbage": GOOD + b"x",
    "two documents": GOOD + GOOD,
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "a list": b"[" + GOOD + b"]",
    "a string": b'"hello"',
    "null": b"null",
    "a number": b"1e400",
    "NaN": GOOD[:-1] + b', "n": NaN}',
    "single quotes": GOOD.replace(b'"', b"'"),
    "deep": b"[" * 100_000,
    "deep in a field": GOOD[:-1] + b', "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "invalid UTF-8": GOOD.replace(b'"x"', b'"\xff"'),
    "lone surrogate": GOOD.replace(b'"x"', b'"\\ud800"'),
    "long number": GOOD[:-1] + b', "n": ' + b"1" * 1_000_000 + b"}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_broken_json(shared_gateway: Gateway, upstream: OpenAIUpstream, body: bytes) -> None:
    answer = post(shared_gateway.address, body, "application/json")
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize("length", range(0, len(GOOD), 3))
def test_json_cut_anywhere(shared_gateway: Gateway, upstream: OpenAIUpstream, length: int) -> None:
    assert post(shared_gateway.address, GOOD[:length], "application/json").status == 400
    assert upstream.requests == []


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"]
)
def test_spellings_of_the_content_type(
    shared_gateway: Gateway, upstream: OpenAIUpstream, content_type: str
) -> None:
    assert post(shared_gateway.address, GOOD, content_type).status == 200
    assert upstream.only().document["images"] == [HTTPS]


def test_json_labelled_as_a_form(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    _, content_type = encode(text("a", "b"), file("c", b"d"))
    assert post(shared_gateway.address, GOOD, content_type).status == 400
    assert upstream.requests == []
