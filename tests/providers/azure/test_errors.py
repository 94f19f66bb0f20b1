"""Azure's failures through the front door: what the real OpenAI SDK raises for each."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.fakes.azure_upstream import AzureRefusal, AzureUpstream
from tests.fakes.gateway import Gateway
from tests.fakes.openai_upstream import USAGE
from tests.fakes.pictures import picture
from tests.fakes.replies import Answer
from tests.providers.azure_accounts import account

PNG = picture()


@pytest.fixture(scope="module")
def program(server: AzureUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = account(server) + account(server, "old", 'api_version = "2025-03-01-preview"')
    running = Gateway(config, tmp_path_factory.mktemp("azure-errors"))
    yield running
    running.stop()


def edit(client: openai.OpenAI, model: str = "az/gpt-image-2", **more: Any) -> Any:
    return client.images.edit(**{"model": model, "prompt": "a hat", "image": PNG, **more})


def test_unknown_deployments_and_versions(client: openai.OpenAI, azure: AzureUpstream) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        edit(client, "az/unheard-of")
    assert caught.value.code == "DeploymentNotFound"
    with pytest.raises(openai.NotFoundError) as caught:
        edit(client, "old/gpt-image-2")
    assert caught.value.code == "404"
    assert "api_version" in caught.value.message


FILTERED = {
    "violence": {"filtered": True, "severity": "high"},
    "jailbreak": {"detected": True, "filtered": True},
    "custom_blocklists": {"filtered": True, "details": [{"id": "ours", "filtered": True}]},
}
INNER = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": FILTERED}
FILTERS: dict[str, tuple[Answer, str]] = {
    "classic": (
        Answer(
            AzureRefusal(400, "content_policy_violation", "No.", inner_error=INNER).document, 400
        ),
        "content_policy_violation",
    ),
    "innererror": (
        Answer(AzureRefusal(400, "content_filter", "No.", innererror=INNER).document, 400),
        "content_filter",
    ),
    "only inside": (
        Answer(AzureRefusal(400, "400", "No.", inner_error=INNER).document, 400),
        "400",
    ),
    "how-to": (
        Answer({"created": 1, **AzureRefusal(400, "contentFilter", "Failed.").document}, 400),
        "contentFilter",
    ),
    "how-to as a success": (
        Answer({"created": 1, **AzureRefusal(200, "contentFilter", "Failed.").document}),
        "contentFilter",
    ),
    "as on OpenAI": (
        Answer(
            AzureRefusal(
                400,
                "moderation_blocked",
                "Rejected.",
                type="image_generation_user_error",
                moderation_details={"moderation_stage": "input", "categories": ["sexual"]},
            ).document,
            400,
            content_type="text/plain",
        ),
        "moderation_blocked",
    ),
    "MAI's": (
        Answer(AzureRefusal(400, "content_safety_violation", "No.").document, 400),
        "content_safety_violation",
    ),
    "in place of the picture": (
        Answer({"created": 1, "data": [{"content_filter_results": FILTERED}], "inner": None}),
        "content_filter",
    ),
    "generic": (Answer(AzureRefusal(400, "content_filter", "No.").document, 400), "content_filter"),
}


@pytest.mark.parametrize("case", FILTERS.values(), ids=FILTERS.keys())
def test_content_filters(
    client: openai.OpenAI, azure: AzureUpstream, case: tuple[Answer, str]
) -> None:
    answer, code = case
    azure.script(answer)
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client)
    assert caught.value.code == code
    assert caught.value.response.headers["x-should-retry"] == "false"
    body: Any = caught.value.body
    if "inner" in str(answer.document):
        assert body["content_filter_results"] == FILTERED
    if code == "moderation_blocked":
        assert body["moderation_details"]["categories"] == ["sexual"]


def test_one_of_two_pictures_is_filtered(client: openai.OpenAI, azure: AzureUpstream) -> None:
    made = {"b64_json": base64.b64encode(PNG).decode()}
    azure.script(Answer({"data": [{"content_filter_results": FILTERED}, made], "usage": USAGE}))
    result = edit(client, n=2)
    assert [base64.b64decode(item.b64_json) for item in result.data] == [PNG]
    [error] = result.errors
    assert (error["code"], error["type"]) == ("content_filter", "image_generation_user_error")
    assert error["content_filter_results"] == FILTERED
    assert result.cost == pytest.approx(0.016081)


BLOCK = "Your resource has been temporarily blocked: behavior that violates our content policy."
OTHERS: dict[str, tuple[Answer, type[openai.APIStatusError], int, str | None]] = {
    "blocked resource": (
        Answer(AzureRefusal(403, "Forbidden", BLOCK).document, 403),
        openai.InternalServerError,
        502,
        "Forbidden",
    ),
    "no role": (
        Answer(AzureRefusal(403, "PermissionDenied", "lacks the data action").document, 403),
        openai.InternalServerError,
        502,
        "upstream_auth",
    ),
    "wrong key": (
        Answer(AzureRefusal(401, "401", "Access denied").document, 401),
        openai.InternalServerError,
        502,
        "upstream_auth",
    ),
    "payload": (
        Answer(AzureRefusal(400, "InvalidPayload", "No.").document, 400),
        openai.BadRequestError,
        400,
        "InvalidPayload",
    ),
    "throttled": (
        Answer(AzureRefusal(429, "429", "Exceeded the rate limit").document, 429),
        openai.RateLimitError,
        429,
        "429",
    ),
    "gateway's own shape": (
        Answer({"statusCode": 500, "message": "Internal server error"}, 500),
        openai.InternalServerError,
        500,
        None,
    ),
    "error with 200": (
        Answer(AzureRefusal(200, "ServiceError", "No.").document),
        openai.InternalServerError,
        502,
        "ServiceError",
    ),
    "no JSON": (
        Answer(body=b"<html>", status=503),
        openai.InternalServerError,
        503,
        None,
    ),
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS.keys())
def test_other_failures(
    client: openai.OpenAI,
    azure: AzureUpstream,
    case: tuple[Answer, type[openai.APIStatusError], int, str | None],
) -> None:
    answer, kind, status, code = case
    azure.script(answer)
    with pytest.raises(kind) as caught:
        edit(client)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert len(azure.requests) == 1


WAITS: dict[str, tuple[dict[str, str], str, str]] = {
    "milliseconds": ({"retry-after-ms": "6500", "retry-after": "60"}, "No.", "6"),
    "seconds": ({"retry-after": "33"}, "Please retry after 9 seconds.", "33"),
    "in words": ({}, "Exceeded call rate limit. Please retry after 12 seconds.", "12"),
    "in other words": ({}, "Rate limit is exceeded. Try again in 4 seconds.", "4"),
}


@pytest.mark.parametrize("case", WAITS.values(), ids=WAITS.keys())
def test_the_wait_of_a_429(
    client: openai.OpenAI, azure: AzureUpstream, case: tuple[dict[str, str], str, str]
) -> None:
    headers, message, wait = case
    azure.script(Answer(AzureRefusal(429, "429", message).document, 429, headers))
    with pytest.raises(openai.RateLimitError) as caught:
        edit(client)
    assert caught.value.response.headers["retry-after"] == wait
