"""The OpenAI Python SDK, changed in nothing but address and model, edits through the gateway."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.fakes.gateway import StartGateway, openai_account
from tests.fakes.multipart_form import Part
from tests.fakes.openai_rules import Edit
from tests.fakes.openai_upstream import CREATED, REQUEST_ID, USAGE, OpenAIUpstream, result
from tests.fakes.pictures import mask, opened, photo, picture
from tests.fakes.replies import Answer

MODEL = "openai-main/gpt-image-2"
NEWEST = "openai-main/gpt-image-2.6-sunburst"
PNG, JPEG, WEBP = (picture(format=kind) for kind in ("PNG", "JPEG", "WEBP"))
PHOTO = photo("chelsea.png")

#: What a caller passes as ``image`` -> the pictures that the provider must get.
Shape = tuple[Callable[[Path], Any], list[tuple[bytes, str]]]
SHAPES: dict[str, Shape] = {
    "bytes": (lambda folder: PNG, [(PNG, "png")]),
    "BytesIO": (lambda folder: io.BytesIO(JPEG), [(JPEG, "jpeg")]),
    "path": (lambda folder: written(folder / "cat.png", PHOTO), [(PHOTO, "png")]),
    "path with a wrong suffix": (lambda folder: written(folder / "a.png", WEBP), [(WEBP, "webp")]),
    "path without suffix": (lambda folder: written(folder / "cat", JPEG), [(JPEG, "jpeg")]),
    "tuple": (lambda folder: ("cat.webp", WEBP, "image/webp"), [(WEBP, "webp")]),
    "tuple that lies": (lambda folder: ("a.gif", PNG, "image/gif"), [(PNG, "png")]),
    "alias type": (lambda folder: ("a.jpg", JPEG, "image/jpg"), [(JPEG, "jpeg")]),
    "hostile name": (lambda folder: ('../../etc/pass"wd\\', PNG), [(PNG, "png")]),
    "name in UTF-8": (lambda folder: ("Bäume 木.png", PNG), [(PNG, "png")]),
    "list of one": (lambda folder: [PNG], [(PNG, "png")]),
    "list": (
        lambda folder: [PNG, ("x", JPEG), io.BytesIO(WEBP)],
        [(PNG, "png"), (JPEG, "jpeg"), (WEBP, "webp")],
    ),
    "sixteen": (lambda folder: [PNG] * 15 + [JPEG], [(PNG, "png")] * 15 + [(JPEG, "jpeg")]),
}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def check_files(found: list[Part], expected: list[tuple[bytes, str]], name: str) -> None:
    """The parts are these pictures byte for byte, with types and names made by the gateway."""
    assert [part.name for part in found] == [name] * len(expected)
    for part, (data, kind) in zip(found, expected, strict=True):
        assert part.sha256 == Part("", data).sha256
        assert part.content_type == f"image/{kind}"
        suffix = "jpe?g" if kind == "jpeg" else kind
        assert re.fullmatch(rf"[A-Za-z0-9_-]+\.{suffix}", part.filename or "")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_image_shapes(
    client: openai.OpenAI, upstream: OpenAIUpstream, shape: Shape, tmp_path: Path
) -> None:
    make, expected = shape
    answer = client.images.edit(model=MODEL, prompt="a hat", image=make(tmp_path))
    assert answer.data is not None
    received = upstream.only()
    assert received.fields == {"model": "gpt-image-2", "prompt": "a hat"}
    check_files(received.files, expected, "image[]")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_image_shapes_async(
    async_client: openai.AsyncOpenAI, upstream: OpenAIUpstream, shape: Shape, tmp_path: Path
) -> None:
    make, expected = shape
    answer = await async_client.images.edit(model=MODEL, prompt="a hat", image=make(tmp_path))
    assert answer.data is not None
    check_files(upstream.only().files, expected, "image[]")


@pytest.mark.parametrize("shape", [bytes, io.BytesIO, lambda data: ("mask.png", data)])
def test_mask(
    client: openai.OpenAI, upstream: OpenAIUpstream, shape: Callable[[bytes], Any]
) -> None:
    client.images.edit(model=MODEL, prompt="x", image=[PNG, JPEG], mask=shape(mask()))
    received = upstream.only()
    check_files(received.named("image[]"), [(PNG, "png"), (JPEG, "jpeg")], "image[]")
    (sent,) = received.named("mask")
    assert (sent.content_type, (sent.filename or "")[-4:]) == ("image/png", ".png")
    alpha = opened(sent.data).convert("RGBA").getchannel("A")
    assert alpha.size == (32, 24)
    assert (alpha.getpixel((15, 0)), alpha.getpixel((16, 0))) == (0, 255)
    assert len(received.files) == 3


def test_markup(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    client.images.edit(model=NEWEST, prompt="x", image=PNG, markup=mask())
    (sent,) = upstream.only().named("markup")
    check_files([sent], [(mask(), "png")], "markup")


def test_real_photo_and_mask(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    image, area = photo("coffee.png"), photo("coffee-mask.png")
    client.images.edit(model=MODEL, prompt="no spoon", image=image, mask=area)
    check_files(upstream.only().named("image[]"), [(image, "png")], "image[]")


#: Parameters as a caller writes them -> text fields that the provider must get.
PARAMETERS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "n": ({"n": 3}, {"n": "3"}),
    "size": ({"size": "1536x1024"}, {"size": "1536x1024"}),
    "free size": ({"size": "1280x720"}, {"size": "1280x720"}),
    "quality": ({"quality": "xhigh"}, {"quality": "xhigh"}),
    "transparent webp": (
        {"background": "transparent", "output_format": "webp"},
        {"background": "transparent", "output_format": "webp"},
    ),
    "compression": (
        {"output_format": "jpeg", "output_compression": 70},
        {"output_format": "jpeg", "output_compression": "70"},
    ),
    "moderation": ({"extra_body": {"moderation": "low"}}, {"moderation": "low"}),
    "people": (
        {"user": "u-1", "safety_identifier": "s-1"},
        {"user": "u-1", "safety_identifier": "s-1"},
    ),
    "complexity": ({"complexity": "high"}, {"complexity": "high"}),
    "gif": (
        {"output_format": "gif", "frame_count": 4, "frame_duration_ms": 50},
        {"output_format": "gif", "frame_count": "4", "frame_duration_ms": "50"},
    ),
    "svg": (
        {"output_format": "svg", "svg": {"model": "gpt-6", "reasoning": {"effort": "low"}}},
        {"output_format": "svg", "svg[model]": "gpt-6", "svg[reasoning][effort]": "low"},
    ),
}


@pytest.mark.parametrize("case", PARAMETERS.values(), ids=PARAMETERS.keys())
def test_parameters_reach_the_provider(
    client: openai.OpenAI, upstream: OpenAIUpstream, case: tuple[dict[str, Any], dict[str, str]]
) -> None:
    passed, expected = case
    client.images.edit(model=NEWEST, prompt="Grüße, 木", image=PNG, **passed)
    fields = upstream.only().fields
    assert fields == {"model": "gpt-image-2.6-sunburst", "prompt": "Grüße, 木", **expected}


@pytest.mark.parametrize("value", ["high", "low"])
def test_input_fidelity(client: openai.OpenAI, upstream: OpenAIUpstream, value: str) -> None:
    client.images.edit(
        model="openai-main/gpt-image-1.5",
        prompt="x",
        image=PNG,
        extra_body={"input_fidelity": value},
    )
    assert upstream.only().fields.get("input_fidelity", "low") == value


def test_defaults_of_openai_are_never_an_error(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    # gpt-image-2 refuses `input_fidelity` whatever its value; "low" is what it does anyway.
    answer = client.images.edit(
        model=MODEL,
        prompt="x",
        image=PNG,
        n=1,
        size="auto",
        quality="auto",
        background="auto",
        input_fidelity="low",
        output_compression=100,
        extra_body={"moderation": "auto"},
    )
    assert answer.data is not None
    assert "input_fidelity" not in upstream.only().fields


def test_response_format_never_reaches_a_gpt_image_model(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    assert client.images.edit(model=MODEL, prompt="x", image=PNG, response_format="b64_json").data
    assert "response_format" not in upstream.only().fields


def test_the_answer_is_the_providers(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    answer = client.images.edit(model=MODEL, prompt="x", image=PNG, n=2, quality="low", user="u-1")
    assert answer.created == CREATED
    assert [item.b64_json for item in answer.data or []] == [
        result(Edit({}), 0),
        result(Edit({}), 1),
    ]
    assert opened(base64.b64decode(result(Edit({})))).size == (24, 16)
    assert (answer.background, answer.output_format) == ("opaque", "png")
    assert (answer.quality, answer.size) == ("low", "1024x1024")
    assert answer.usage is not None
    assert answer.usage.to_dict() == USAGE
    assert answer.safety_identifier == "u-1"
    assert answer.model_extra is not None
    assert answer.model_extra["provider"] == "openai"


#: Model, usage -> US dollars, worked out by hand from OpenAI's prices per million tokens.
COSTS: dict[str, tuple[str, dict[str, Any] | None, float | None]] = {
    # 19 x 5 + 352 x 8 + 439 x 30 = 95 + 2816 + 13170 = 16081
    "worked example": (MODEL, USAGE, 0.016081),
    # 95 + 2816 + 439 x 32 = 16959
    "1.5": ("openai-main/gpt-image-1.5", USAGE, 0.016959),
    # 95 + 2816 + 400 x 32 + 39 x 10 = 16101
    "1.5 with text out": (
        "openai-main/gpt-image-1.5",
        {**USAGE, "output_tokens_details": {"image_tokens": 400, "text_tokens": 39}},
        0.016101,
    ),
    # 19 x 2 + 352 x 2.5 + 439 x 8 = 38 + 880 + 3512 = 4430
    "mini": ("openai-main/gpt-image-1-mini", USAGE, 0.00443),
    "no usage": (MODEL, None, None),
}


@pytest.mark.parametrize("case", COSTS.values(), ids=COSTS.keys())
def test_cost(
    client: openai.OpenAI,
    upstream: OpenAIUpstream,
    case: tuple[str, dict[str, Any] | None, float | None],
) -> None:
    model, usage, cost = case
    document = {"created": 1, "data": [{"b64_json": result(Edit({}))}], "usage": usage}
    upstream.script(Answer({key: value for key, value in document.items() if value is not None}))
    answer = client.images.edit(model=model, prompt="x", image=PNG)
    assert answer.model_extra is not None
    assert answer.model_extra["cost"] == (None if cost is None else pytest.approx(cost, abs=1e-9))


def test_raw_response(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    raw = client.images.with_raw_response.edit(model=MODEL, prompt="x", image=PNG)
    assert raw.parse().data is not None
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["x-request-id"] == raw.request_id == REQUEST_ID
    assert raw.headers["x-ratelimit-remaining-requests"] == "499"
    assert raw.headers["x-ratelimit-reset-requests"] == "120ms"
    assert "set-cookie" not in raw.headers
    assert "x-should-retry" not in raw.headers


def test_streamed_response_body(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    edit = client.images.with_streaming_response.edit
    with edit(model=MODEL, prompt="x", image=PNG) as response:
        assert response.parse().created == CREATED


def test_client_headers_stay_here(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    # Python spells a header as given; the provider must see the gateway's own credential.
    client.images.edit(
        model=MODEL,
        prompt="x",
        image=PNG,
        extra_headers={
            "Cookie": "session=1",
            "OpenAI-Organization": "org-of-the-client",
            "X-Api-Key": "client-secret",
        },
        extra_query={"api-version": "2025-04-01-preview"},
    )
    received = upstream.only()
    assert received.path == "/v1/images/edits"
    assert {"cookie", "openai-organization", "x-api-key"}.isdisjoint(received.headers)
    assert not any(name.startswith("x-stainless") for name in received.headers)


def test_organization_and_project(gateway: StartGateway, upstream: OpenAIUpstream) -> None:
    more = 'organization = "org-1"\nproject = "proj-1"'
    running = gateway(openai_account(upstream.base_url, more=more))
    with openai.OpenAI(base_url=running.v1, api_key="unused") as sdk:
        sdk.images.edit(model=MODEL, prompt="x", image=PNG)
    headers = upstream.only().headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")


@pytest.mark.parametrize("prefix", ["/v1", "", "/v3", "/openai/v1"])
def test_every_path(client: openai.OpenAI, upstream: OpenAIUpstream, prefix: str) -> None:
    base = str(client.base_url).removesuffix("/v1/") + prefix
    with openai.OpenAI(base_url=base, api_key="unused") as sdk:
        assert sdk.images.edit(model=MODEL, prompt="x", image=PNG).data
    upstream.only()


def test_models(client: openai.OpenAI) -> None:
    ids = {model.id for model in client.models.list()}
    assert {"openai-main/gpt-image-2", "openai-main/gpt-image-2.6-flare"} <= ids
    assert {"local/inpaint", "local/ops"} <= ids


def test_local_inpaint(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    """An edit without any account: what is outside the mask stays, what is inside changes."""
    area = (300, 150, 364, 214)
    image = opened(photo("chelsea.png")).convert("RGB").crop(area)
    out = io.BytesIO()
    image.save(out, "PNG")
    answer = client.images.edit(
        model="local/inpaint", prompt="remove it", image=out.getvalue(), mask=mask(64, 64)
    )
    assert answer.data is not None
    edited = opened(base64.b64decode(answer.data[0].b64_json or "")).convert("RGB")
    kept, changed = (32, 0, 64, 64), (0, 0, 32, 64)
    assert edited.size == image.size
    assert edited.crop(kept).tobytes() == image.crop(kept).tobytes()
    assert edited.crop(changed).tobytes() != image.crop(changed).tobytes()
    assert answer.model_extra is not None
    assert answer.model_extra["provider"] == "local"
    assert upstream.requests == []


def test_several_results_of_a_model_that_makes_one(client: openai.OpenAI) -> None:
    answer = client.images.edit(model="local/inpaint", prompt="x", image=PNG, mask=mask(), n=2)
    sizes = [opened(base64.b64decode(item.b64_json or "")).size for item in answer.data or []]
    assert sizes == [(32, 24), (32, 24)]
