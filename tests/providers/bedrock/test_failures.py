"""Every error and refusal of Bedrock's, and what the client is told about it."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.fakes.bedrock_upstream import BedrockUpstream, aws_error, result
from tests.fakes.pictures import picture
from tests.fakes.replies import Answer

CONTROL = "us.stability.stable-image-control-sketch-v1:0"
NOVA = "amazon.nova-canvas-v1:0"
IMAGE = picture(400, 320)
DETAIL = "Invalid field 'x' in request. Available fields for ultra are: prompt, seed"
LEGACY = (
    "Access denied. This Model is marked by provider as Legacy and you have not been actively "
    "using the model in the last 30 days."
)
EOL = "This model version has reached the end of its life."
BLOCKED = (
    "This request has been blocked by our content filters. Please adjust your text prompt to "
    "submit a new request."
)

NO_GUARDRAIL = "The guardrail identifier or version provided in the request does not exist."
TOO_LARGE = (
    "Response payload size 20101010 bytes exceeds the maximum allowed size of 16777216 bytes"
)

#: Status and name of the exception, its message; status, code, x-should-retry, part of the text.
ERRORS: list[tuple[int, str, str, int, str, str | None, str]] = [
    (400, "ValidationException", json.dumps({"detail": DETAIL}), 400, "*", None, DETAIL),
    (400, "ValidationException", '{"detail": [{"msg": "bad"}]}', 400, "*", None, "bad"),
    (400, "ValidationException", "plain words", 400, "*", None, "plain words"),
    (400, "ValidationException", BLOCKED, 400, "moderation_blocked", "false", "content filters"),
    (400, "ValidationException", NO_GUARDRAIL, 502, "guardrail_refused", "false", "not exist"),
    (400, "ValidationException", TOO_LARGE, 400, "result_too_large", "false", "jpeg or webp"),
    (500, "InternalServerException", TOO_LARGE, 400, "result_too_large", "false", "16,777,216"),
    (400, "ServiceQuotaExceededException", "quota", 429, "insufficient_quota", "false", "quota"),
    (403, "AccessDeniedException", "arn:aws:iam::1:role/x", 502, "upstream_auth", "false", ""),
    (403, "UnrecognizedClientException", "token", 502, "upstream_auth", "false", ""),
    (403, "ForbiddenException", "no such name in the lists", 502, "upstream_auth", "false", ""),
    (400, "IncompleteSignature", "sig", 502, "upstream_auth", "false", ""),
    (403, "ExpiredTokenException", "expired", 502, "upstream_auth", "false", ""),
    (403, "MissingAuthenticationToken", "none", 502, "upstream_auth", "false", ""),
    (403, "InvalidClientTokenId", "none", 502, "upstream_auth", "false", ""),
    (404, "ResourceNotFoundException", EOL, 404, "model_not_found", None, "end of its life"),
    (404, "ResourceNotFoundException", LEGACY, 404, "model_not_found", None, "Legacy"),
    (403, "AccessDeniedException", LEGACY, 404, "model_not_found", None, "Legacy"),
    (408, "ModelTimeoutException", "slow", 504, "upstream_timeout", "false", "time"),
    (424, "ModelErrorException", "it broke", 502, "upstream_error", "false", "it broke"),
    (429, "ThrottlingException", "slow down", 429, "rate_limit_exceeded", None, "slow down"),
    (400, "ThrottlingException", "slow down", 429, "rate_limit_exceeded", None, "slow down"),
    (429, "ModelNotReadyException", "soon", 429, "model_not_ready", None, "soon"),
    (500, "InternalServerException", "oops", 502, "upstream_error", "false", "oops"),
    (503, "ServiceUnavailableException", "busy", 503, "service_unavailable", "true", "busy"),
]


def failed(sdk: openai.OpenAI, model: str = CONTROL) -> Any:
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.images.edit(model=f"bedrock/{model}", prompt="a barn", image=IMAGE)
    return caught.value


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: f"{case[1]}-{case[2][:20]}")
def test_errors_by_name(
    sdk: openai.OpenAI,
    bedrock: BedrockUpstream,
    case: tuple[int, str, str, int, str, str | None, str],
) -> None:
    status, name, message, ours, code, retry, part = case
    bedrock.script(aws_error(status, name, message))
    error = failed(sdk)
    assert error.status_code == ours
    assert code in ("*", error.code)
    assert error.response.headers.get("x-should-retry") == retry
    assert part in error.message
    assert "arn:aws" not in error.message
    assert len(bedrock.requests) == 1


def test_json_inside_json_is_unwrapped(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    bedrock.script(aws_error(400, "ValidationException", json.dumps({"detail": DETAIL})))
    assert failed(sdk).body["message"] == DETAIL


def test_the_name_may_stand_in_the_body(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    name = "com.amazon.bedrock#ThrottlingException"
    bedrock.script(Answer({"__type": name, "Message": "later"}, 400))
    assert failed(sdk).status_code == 429


def test_the_wait_is_passed_on(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    bedrock.script(aws_error(429, "ThrottlingException", "later", retry_after="17"))
    assert failed(sdk).response.headers["retry-after"] == "17"


def test_a_retired_model_names_what_there_is(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    bedrock.script(aws_error(404, "ResourceNotFoundException", EOL))
    error = failed(sdk, NOVA)
    assert error.status_code == 404
    assert "us.stability" in error.message


@pytest.mark.parametrize(
    ("model", "document", "status", "part"),
    [
        (CONTROL, {"finish_reasons": ["Filter reason: prompt"]}, 400, "Filter reason: prompt"),
        (
            CONTROL,
            {"finish_reasons": ["Filter reason: output image"], "images": [result("png")]},
            400,
            "output image",
        ),
        (CONTROL, {"finish_reasons": ["Inference error"]}, 502, "Inference error"),
        (CONTROL, {"finish_reasons": ["Something new"], "images": []}, 502, "Something new"),
        (CONTROL, {"amazon-bedrock-guardrailAction": "INTERVENED"}, 400, "guardrail"),
        (CONTROL, {"finish_reasons": [None], "images": []}, 400, "no picture"),
        (CONTROL, {}, 400, "no picture"),
        (CONTROL, {"images": ["not base64"]}, 502, ""),
        (CONTROL, {"images": [{"b64": 1}]}, 502, ""),
        (CONTROL, [], 502, ""),
        (
            NOVA,
            {
                "images": [],
                "error": "All of the generated images have been blocked by our content filters.",
            },
            400,
            "All of the generated images",
        ),
        (NOVA, {"error": "The model crashed"}, 502, "crashed"),
        (NOVA, {"error": ""}, 400, "no picture"),
        (
            NOVA,
            {"status": "Request Moderated", "details": {"Moderation Reasons": ["Violence"]}},
            400,
            "Violence",
        ),
    ],
)
def test_a_200_without_a_picture(
    sdk: openai.OpenAI,
    bedrock: BedrockUpstream,
    model: str,
    document: Any,
    status: int,
    part: str,
) -> None:
    bedrock.script(Answer(document))
    error = failed(sdk, model)
    assert error.status_code == status
    assert error.code == ("moderation_blocked" if status == 400 else error.code)
    assert error.response.headers["x-should-retry"] == "false"
    assert part in error.message


def test_some_of_novas_pictures_were_blocked(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    said = "Some of the generated images have been blocked by our content filters."
    bedrock.script(Answer({"images": [result("png")] * 2, "error": said}))
    answer: Any = sdk.images.edit(model=f"bedrock/{NOVA}", prompt="a barn", image=IMAGE, n=3)
    assert len(answer.data) == 2
    assert answer.cost == pytest.approx(0.08)
    assert answer.errors == [
        {
            "message": said.rstrip("."),
            "type": "image_generation_user_error",
            "param": None,
            "code": "moderation_blocked",
        }
    ]


def test_what_was_blocked_in_every_call_is_told(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    said = [f"Some of the pictures of call {number} have been blocked" for number in (1, 2)]
    answers = [Answer({"images": [result("png")], "error": words}) for words in said]
    bedrock.script(*answers)
    asked: dict[str, Any] = {"model": f"bedrock/{NOVA}", "prompt": "a barn", "image": IMAGE, "n": 7}
    made = sdk.images.with_raw_response.edit(**asked)
    answer: Any = made.parse()
    assert sorted(error["message"] for error in answer.errors) == said
    assert made.headers["x-retouch-partial"] == "2/7"
    bedrock.script(*answers)
    first, last = sdk.images.edit(**asked, stream=True)
    assert "errors" not in first.model_extra
    assert sorted(error["message"] for error in last.model_extra["errors"]) == said


def test_some_pictures_failed_for_another_reason(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    bedrock.script(Answer({"images": [result("png")], "error": "One worker crashed."}))
    answer: Any = sdk.images.edit(model=f"bedrock/{NOVA}", prompt="a barn", image=IMAGE, n=2)
    assert [error["code"] for error in answer.errors] == ["upstream_error"]


def test_pictures_that_are_missing_without_a_word(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    """AWS's own samples know an `error` that is empty."""
    bedrock.script(Answer({"images": [result("png")] * 2, "error": ""}))
    answer: Any = sdk.images.edit(model=f"bedrock/{NOVA}", prompt="a barn", image=IMAGE, n=3)
    assert len(answer.data) == 2
    assert [error["code"] for error in answer.errors] == ["moderation_blocked"]
    assert "2 of 3" in answer.errors[0]["message"]


def test_escaped_slashes_are_base64_all_the_same(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    """Some JSON writers put a backslash before every slash."""
    text = json.dumps({"images": [result("png")], "finish_reasons": [None]})
    assert "/" in text
    bedrock.script(Answer(body=text.replace("/", "\\/").encode()))
    answer: Any = sdk.images.edit(model=f"bedrock/{CONTROL}", prompt="a barn", image=IMAGE)
    assert answer.data[0].b64_json == result("png")
