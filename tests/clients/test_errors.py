"""Failures as a user of the OpenAI Python SDK meets them: class, code, param, and who pays."""

from __future__ import annotations

import json
import re
from typing import Any

import openai
import pytest

from tests.fakes.gateway import PRIVATE_PROMPT
from tests.fakes.openai_upstream import REQUEST_ID, OpenAIUpstream
from tests.fakes.pictures import mask, photo, picture
from tests.fakes.replies import Answer, CutBody, Redirect, Reply, Reset, error

MODEL = "openai-main/gpt-image-2"
PNG = picture()
GOOD: dict[str, Any] = {"model": MODEL, "prompt": PRIVATE_PROMPT, "image": PNG}

#: What the library, the machine or the configuration would give away.
LEAKS = re.compile(
    r"0x[0-9a-f]{6,}|/[a-z]+/[\w./]+\.py|127\.0\.0\.1|sk-|site-packages|aiohttp|PIL\b"
)


def failing(
    sdk: openai.OpenAI, expected: type[openai.APIStatusError], **changes: Any
) -> openai.APIStatusError:
    """The exception that this edit raises; its body is OpenAI's error object, and clean."""
    with pytest.raises(expected) as caught:
        sdk.images.edit(**GOOD | changes)
    failure = caught.value
    assert type(failure) is expected
    document = failure.response.json()
    assert set(document) == {"error"}
    assert {"message", "type", "param", "code"} <= set(document["error"])
    assert failure.response.headers["content-type"].startswith("application/json")
    assert isinstance(document["error"]["message"], str)
    assert not LEAKS.search(failure.response.text)
    assert failure.request_id
    return failure


# What the provider says ---------------------------------------------------------------------


def test_moderation(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    details = {"moderation_stage": "input", "categories": ["sexual"]}
    upstream.script(
        error(
            400,
            "moderation_blocked",
            "Your request was rejected by the safety system. safety_violations=[sexual].",
            type="image_generation_user_error",
            moderation_details=details,
        )
    )
    failure = failing(client, openai.BadRequestError)
    assert (failure.code, failure.type, failure.param) == (
        "moderation_blocked",
        "image_generation_user_error",
        None,
    )
    assert isinstance(failure.body, dict)
    assert failure.body["moderation_details"] == details
    assert "safety_violations=[sexual]" in failure.message
    assert failure.request_id == "req_fake_error"
    upstream.only()


PASSED_ON: dict[str, tuple[Answer, type[openai.APIStatusError], str | None]] = {
    "400": (error(400, "invalid_value", param="size"), openai.BadRequestError, "size"),
    "403": (error(403, None, "Verify your organization."), openai.PermissionDeniedError, None),
    "404": (error(404, "model_not_found"), openai.NotFoundError, None),
    "429": (
        error(429, "rate_limit_exceeded", type="requests"),
        openai.RateLimitError,
        None,
    ),
    "no credits": (
        error(429, "insufficient_quota", type="insufficient_quota"),
        openai.RateLimitError,
        None,
    ),
}


@pytest.mark.parametrize("case", PASSED_ON.values(), ids=PASSED_ON.keys())
def test_status_code_and_param_pass(
    client: openai.OpenAI,
    upstream: OpenAIUpstream,
    case: tuple[Answer, type[openai.APIStatusError], str | None],
) -> None:
    answer, expected, param = case
    upstream.script(answer)
    failure = failing(client.with_options(max_retries=0), expected)
    said = answer.document["error"]
    assert (failure.code, failure.type, failure.param) == (said["code"], said["type"], param)
    assert said["message"] in failure.message


def test_unknown_model_of_the_provider(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    failure = failing(client, openai.NotFoundError, model="openai-main/gpt-image-99")
    assert failure.code == "model_not_found"


def test_a_field_newer_than_the_gateway(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    """It goes to the provider, who refuses what he does not know, for free."""
    failure = failing(
        client, openai.BadRequestError, extra_body={"brand_new": "1", "nested": {"a": [1, 2]}}
    )
    assert (failure.code, failure.param) == ("unknown_parameter", "brand_new")
    assert failure.request_id == REQUEST_ID
    sent = [(part.name, part.text) for part in upstream.only().parts if part.filename is None]
    assert [item for item in sent if item[0] not in ("model", "prompt")] == [
        ("brand_new", "1"),
        ("nested[a][]", "1"),
        ("nested[a][]", "2"),
    ]


def test_retry_after_passes(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(error(429, "rate_limit_exceeded", headers={"retry-after": "7"}))
    failure = failing(client.with_options(max_retries=0), openai.RateLimitError)
    assert failure.response.headers["retry-after"] == "7"
    assert failure.response.headers.get("x-should-retry") != "false"


@pytest.mark.parametrize("wait", ["3600", "1e20", "Fri, 31 Dec 2999 23:59:59 GMT"])
def test_retry_after_stays_within_what_the_sdk_obeys(
    client: openai.OpenAI, upstream: OpenAIUpstream, wait: str
) -> None:
    upstream.script(error(429, "rate_limit_exceeded", headers={"retry-after": wait}))
    failure = failing(client.with_options(max_retries=0), openai.RateLimitError)
    assert failure.response.headers["retry-after"] == "120"


def test_the_sdk_retries_a_refusal_for_load(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    upstream.script(error(429, "rate_limit_exceeded", headers={"retry-after-ms": "1"}))
    assert client.images.edit(**GOOD).data
    assert len(upstream.requests) == 2
    assert [part.sha256 for part in upstream.requests[0].files] == [
        part.sha256 for part in upstream.requests[1].files
    ]


# An edit that may have run is never run twice ------------------------------------------------

PICTURE = "iVBORw0KGgo="
MAY_HAVE_RUN: dict[str, tuple[Reply, int]] = {
    "reset before the answer": (Reset(), 502),
    "cut body": (CutBody(), 502),
    "500": (error(500, None, "The server had an error.", type="server_error"), 500),
    "503": (error(503, None, "Overloaded.", type="server_error"), 503),
    "504 of a proxy": (Answer(body=b"<html>", content_type="text/html", status=504), 504),
    "HTML": (Answer(body=b"<html>hello</html>", content_type="text/html"), 502),
    "nothing": (Answer(body=b""), 502),
    "no data": (Answer({"created": 1}), 502),
    "empty data": (Answer({"created": 1, "data": []}), 502),
    "no picture": (Answer({"created": 1, "data": [{}]}), 502),
    "a list": (Answer([PICTURE]), 502),
    "data of another type": (Answer({"created": 1, "data": [{"b64_json": 7}]}), 502),
}


@pytest.mark.parametrize("case", MAY_HAVE_RUN.values(), ids=MAY_HAVE_RUN.keys())
def test_never_twice(
    client: openai.OpenAI, upstream: OpenAIUpstream, case: tuple[Reply, int]
) -> None:
    """The SDK would try three times; the gateway tells it not to."""
    reply, status = case
    upstream.script(reply)
    assert client.max_retries == 2
    failure = failing(client, openai.InternalServerError)
    assert failure.status_code == status
    assert failure.response.headers["x-should-retry"] == "false"
    upstream.only()


def test_a_redirect_is_not_followed(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    """Following it would carry the provider's key to another address."""
    upstream.script(Redirect(f"{upstream.base_url}/elsewhere"))
    failure = failing(client, openai.InternalServerError)
    assert failure.status_code == 502
    upstream.only()


def test_the_gateways_own_key_is_not_the_clients_fault(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    failure = failing(client, openai.InternalServerError, model="openai-wrong-key/gpt-image-2")
    assert (failure.status_code, failure.code) == (502, "upstream_auth")
    upstream.only()


def test_unreachable_may_be_repeated(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    failure = failing(
        client.with_options(max_retries=0),
        openai.InternalServerError,
        model="openai-unreachable/gpt-image-2",
    )
    assert (failure.status_code, failure.code) == (502, "upstream_unreachable")
    assert failure.response.headers["x-should-retry"] == "true"


# What the gateway refuses before anybody is paid ---------------------------------------------

BROKEN_PNG = photo("rocket-mask.png")[:900]
REFUSED: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "gif": ({"image": picture(format="GIF")}, "image", "unsupported_image_format"),
    "gif that lies": (
        {"image": ("a.png", picture(format="GIF"), "image/png")},
        "image",
        "unsupported_image_format",
    ),
    "second is no picture": ({"image": [PNG, b"hello"]}, "image", "unsupported_image_format"),
    "empty file": ({"image": b""}, "image", "invalid_image_file"),
    "cut picture": ({"image": BROKEN_PNG}, "image", "invalid_image_file"),
    "17 images": ({"image": [PNG] * 17}, "image", None),
    "no image": ({"image": []}, "image", "missing_required_parameter"),
    "image as text": ({"extra_body": {"image": "https://example.com/a.png"}}, "image", None),
    "mask as text": ({"extra_body": {"mask": "abc"}}, "mask", None),
    "mask without alpha": ({"mask": PNG}, "mask", "invalid_image_file"),
    "mask of another size": ({"mask": mask(16, 16)}, "mask", "invalid_image_file"),
    "mask as jpeg": ({"mask": picture(format="JPEG")}, "mask", "invalid_image_file"),
    "mask and markup": (
        {"model": "openai-main/gpt-image-2.6-flare", "mask": mask(), "markup": mask()},
        "markup",
        None,
    ),
    "empty prompt": ({"prompt": ""}, "prompt", "missing_required_parameter"),
    "long prompt": ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
    "n of 0": ({"n": 0}, "n", None),
    "n of 11": ({"n": 11}, "n", None),
    "n as a word": ({"extra_body": {"n": "two"}}, "n", None),
    "compression of 101": ({"output_compression": 101}, "output_compression", None),
    "four partials": ({"partial_images": 4, "stream": True}, "partial_images", None),
    "stream as a word": ({"extra_body": {"stream": "maybe"}}, "stream", None),
    "links": ({"response_format": "url"}, "response_format", "unsupported_parameter"),
    "fidelity": ({"input_fidelity": "high"}, "input_fidelity", "unsupported_parameter"),
    "fidelity of the mini": (
        {"model": "openai-main/gpt-image-1-mini", "input_fidelity": "high"},
        "input_fidelity",
        "unsupported_parameter",
    ),
    "odd size": ({"size": "1000x1000"}, "size", "unsupported_parameter"),
    "size with a cross": ({"size": "1024\u00d71024"}, "size", "unsupported_parameter"),
    "closed account": (
        {"model": "openai-closed/gpt-image-2", "extra_body": {"brand_new": "1"}},
        "brand_new",
        "unknown_parameter",
    ),
    "objects in a list": ({"extra_body": {"a": [{"k": 1}, {"k": 2}]}}, "a", None),
    "option of another provider": (
        {"model": "local/inpaint", "mask": mask(), "extra_body": {"brand_new": "1"}},
        "brand_new",
        "unknown_parameter",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused_here(
    client: openai.OpenAI,
    upstream: OpenAIUpstream,
    case: tuple[dict[str, Any], str | None, str | None],
) -> None:
    changes, param, code = case
    failure = failing(client, openai.BadRequestError, **changes)
    assert failure.param == param
    assert code is None or failure.code == code
    assert upstream.requests == []


@pytest.mark.parametrize("model", ["gpt-image-2", "nobody/gpt-image-2", "local/nothing", "a/b/c"])
def test_unknown_models(client: openai.OpenAI, upstream: OpenAIUpstream, model: str) -> None:
    failure = failing(client, openai.NotFoundError, model=model)
    assert failure.code == "model_not_found"
    assert upstream.requests == []


def test_missing_model(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.images.edit(prompt="x", image=PNG)
    assert caught.value.status_code in (400, 404)
    assert caught.value.param == "model"
    assert upstream.requests == []


def test_dropped_parameters_are_reported(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    raw = client.images.with_raw_response.edit(
        model="openai-lenient/gpt-image-2", prompt="x", image=PNG, input_fidelity="high"
    )
    assert raw.headers["x-retouch-dropped"] == "input_fidelity"
    assert "input_fidelity" not in upstream.only().fields


def test_nothing_in_a_request_chooses_an_address(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    """Names that other gateways obeyed: here they are fields like any other."""
    elsewhere = f"{upstream.base_url.removesuffix('/v1')}/elsewhere"
    for name in ("api_base", "base_url", "endpoint", "api_key", "organization", "timeout"):
        with pytest.raises(openai.BadRequestError) as caught:
            client.images.edit(**GOOD, extra_body={name: elsewhere})
        assert caught.value.param == name
    assert {received.path for received in upstream.requests} <= {"/v1/images/edits"}
    assert (
        json.dumps([dict(received.headers) for received in upstream.requests]).count("elsewhere")
        == 0
    )
