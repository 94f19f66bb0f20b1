"""Google's errors, and its refusals that look like success, as the OpenAI SDK sees them.

Bodies follow what Google's own SDK tests record (FirebaseExtended/vertexai-sdk-test-data) and
public reports; see the sources in the plugin.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.fakes.gateway import Gateway
from tests.fakes.pictures import opened, picture
from tests.fakes.replies import Answer, Reply
from tests.fakes.vertex_rules import google_error
from tests.fakes.vertex_upstream import PROJECT, USAGE, VertexUpstream, chunk, part
from tests.providers.vertex_accounts import serving, with_token

IMAGEN, GEMINI = "imagen-3.0-capability-001", "gemini-3-pro-image"
PNG = picture(32, 24)
FILTERED = (
    "Unable to show generated images. All images were filtered out because they violated "
    "Vertex AI's usage guidelines. You will not be charged for blocked images. Support codes: "
    "56562880, 29310472"
)
MESSAGE = "Resource exhausted. Please try again later."


@pytest.fixture(scope="module")
def running(
    server: VertexUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, openai.OpenAI]]:
    config = with_token(server) + (
        f'[accounts.badkey]\nprovider = "vertex"\nproject = "{PROJECT}"\n'
        f'base_url = "{server.url}"\napi_key = "AIza-not-the-key-of-the-fake"\n'
        '[accounts.other]\nprovider = "vertex"\nproject = "somebody-elses"\n'
        f'base_url = "{server.url}"\naccess_token = "ya29.canary-access-7d20c4b19f"\n'
    )
    with serving(config, tmp_path_factory.mktemp("vertex-answers")) as found:
        yield found


def edit(sdk: openai.OpenAI, model: str, account: str = "vx", **more: Any) -> Any:
    return sdk.images.edit(model=f"{account}/{model}", image=PNG, prompt="x", **more)


def failed(sdk: openai.OpenAI, model: str, **more: Any) -> Any:
    with pytest.raises(openai.APIStatusError) as caught:
        edit(sdk, model, **more)
    return caught.value


def feedback(**more: Any) -> Answer:
    return Answer({"promptFeedback": more, "usageMetadata": {"promptTokenCount": 5}})


def finished(reason: str, text: str = "", **more: Any) -> Answer:
    candidate: dict[str, Any] = {"finishReason": reason, **more}
    if text:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    return Answer({"candidates": [candidate]})


REJECTED: dict[str, tuple[str, Reply, str]] = {
    "no predictions": (IMAGEN, Answer({}), "left no picture"),
    "empty predictions": (IMAGEN, Answer({"predictions": []}), "left no picture"),
    "only safety attributes": (
        IMAGEN,
        Answer({"predictions": [{"contentType": "Positive Prompt", "safetyAttributes": {}}]}),
        "left no picture",
    ),
    "all filtered": (
        IMAGEN,
        Answer({"predictions": [{"raiFilteredReason": FILTERED}]}),
        "Support codes: 56562880",
    ),
    "prompt refused": (
        IMAGEN,
        Answer(
            google_error(
                400,
                "INVALID_ARGUMENT",
                "Image generation failed with the following error: The prompt could not be "
                "submitted. This prompt contains sensitive words that violate Google's "
                "Responsible AI practices. Support codes: 42876398",
            ),
            400,
        ),
        "sensitive words",
    ),
    "input picture refused": (
        IMAGEN,
        Answer(
            google_error(
                400,
                "INVALID_ARGUMENT",
                "Image editing failed with the following error: The input image contains content "
                "that has been blocked by your current safety filter threshold. Support codes: "
                "43188360;",
            ),
            400,
        ),
        "safety filter threshold",
    ),
    "finish reason": (GEMINI, finished("IMAGE_SAFETY"), "IMAGE_SAFETY"),
    "finish message": (GEMINI, finished("SAFETY", finishMessage="Unsafe."), "Unsafe."),
    "recitation": (GEMINI, finished("IMAGE_RECITATION"), "IMAGE_RECITATION"),
    "blocked prompt": (GEMINI, feedback(blockReason="PROHIBITED_CONTENT"), "PROHIBITED_CONTENT"),
    "blocked without a reason": (GEMINI, feedback(blockReasonMessage="No."), "No."),
    "feedback and nothing else": (GEMINI, feedback(), "OTHER"),
    "polite refusal": (GEMINI, finished("STOP", "I cannot edit that."), "I cannot edit that."),
    "no image, with words": (GEMINI, finished("NO_IMAGE", "I will not."), "I will not."),
}


@pytest.mark.parametrize("case", REJECTED.values(), ids=REJECTED.keys())
def test_refusals(sdk: openai.OpenAI, google: VertexUpstream, case: tuple[str, Reply, str]) -> None:
    model, answer, words = case
    google.script(answer)
    error = failed(sdk, model)
    assert isinstance(error, openai.BadRequestError)
    assert error.code == "moderation_blocked"
    assert words in error.message
    assert error.response.headers["x-should-retry"] == "false"
    assert len(google.requests) == 1


def test_support_codes_are_explained(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    google.script(Answer({"predictions": [{"raiFilteredReason": FILTERED}]}))
    body: Any = failed(sdk, IMAGEN).body
    assert body["support_codes"] == ["56562880", "29310472"]
    assert body["categories"] == ["violence", "celebrity"]


def test_the_codes_of_several_reasons(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    reasons = [FILTERED, "Filtered. Support codes: 39322892"]
    google.script(Answer({"predictions": [{"raiFilteredReason": item} for item in reasons]}))
    body: Any = failed(sdk, IMAGEN).body
    assert body["support_codes"] == ["56562880", "29310472", "39322892"]
    assert body["categories"] == ["violence", "celebrity", "people or face"]


def test_what_was_not_filtered_is_returned(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    made = {"bytesBase64Encoded": base64.b64encode(PNG).decode(), "prompt": "better words"}
    google.script(Answer({"predictions": [made, {"raiFilteredReason": FILTERED}]}))
    answer = edit(sdk, IMAGEN, n=3)
    assert len(answer.data) == 1
    assert answer.data[0].revised_prompt == "better words"
    assert answer.model_extra["filtered"] == [FILTERED]
    assert answer.cost == 0.04


def test_the_last_picture_counts_and_drafts_do_not(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    parts = [part(picture(size, 8)) for size in (10, 20, 30)]
    google.script(Answer(chunk(*parts, {**part(picture(40, 8)), "thought": True}, finish="STOP")))
    answer = edit(sdk, GEMINI)
    assert [opened(base64.b64decode(item.b64_json)).size for item in answer.data] == [(20 + 10, 8)]
    assert (answer.usage, answer.cost) == (None, None)


def test_only_drafts_are_no_picture(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    google.script(Answer(chunk({**part(PNG), "thought": True}, finish="STOP")))
    error = failed(sdk, GEMINI)
    assert (error.status_code, error.code) == (502, "no_image")


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "OTHER", "SOMETHING_OF_TOMORROW"])
def test_no_picture_for_another_reason(
    sdk: openai.OpenAI, google: VertexUpstream, reason: str
) -> None:
    google.script(finished(reason))
    error = failed(sdk, GEMINI)
    assert (error.status_code, error.code) == (502, "no_image")
    assert reason in error.message
    assert error.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "IMAGE_OTHER"])
@pytest.mark.parametrize("how", ["text", "finishMessage"])
def test_words_of_a_failure_are_no_refusal(
    sdk: openai.OpenAI, google: VertexUpstream, reason: str, how: str
) -> None:
    said = "Here is the picture of"
    google.script(finished(reason, said) if how == "text" else finished(reason, finishMessage=said))
    error = failed(sdk, GEMINI)
    assert (error.status_code, error.code) == (502, "no_image")
    assert f"({reason}). {said}" in error.message


@pytest.mark.parametrize("model", [IMAGEN, GEMINI])
def test_a_200_with_an_error(sdk: openai.OpenAI, google: VertexUpstream, model: str) -> None:
    google.script(Answer(google_error(500, "INTERNAL", "Internal.")))
    error = failed(sdk, model)
    assert (error.status_code, error.code) == (502, "upstream_invalid_response")
    assert error.response.headers["x-should-retry"] == "false"


def usage(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(USAGE), **changes}


#: Usage reports that say nothing; ``\udcff`` is a byte that no text has.
ODD_USAGE = {
    "bytes": usage(promptTokensDetails=[{"modality": "\udcff", "tokenCount": 1}]),
    "negative": usage(candidatesTokenCount=-1120),
    "beyond int32": usage(thoughtsTokenCount=2**31),
    "text": usage(promptTokenCount="many"),
}


@pytest.mark.parametrize("report", ODD_USAGE.values(), ids=ODD_USAGE.keys())
def test_an_odd_usage_loses_no_picture(
    sdk: openai.OpenAI, google: VertexUpstream, report: dict[str, Any]
) -> None:
    answer = chunk(part(PNG), finish="STOP", usageMetadata=report)
    body = json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogateescape")
    google.script(Answer(body=body))
    found = edit(sdk, GEMINI)
    assert opened(base64.b64decode(found.data[0].b64_json)).size == (32, 24)
    assert (found.usage, found.cost) == (None, None)


def test_tokens_without_a_modality_are_text(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    report = usage(promptTokensDetails=[{"modality": "IMAGE", "tokenCount": 1120}])
    google.script(Answer(chunk(part(PNG), finish="STOP", usageMetadata=report)))
    found = edit(sdk, GEMINI)
    assert found.usage.input_tokens_details.text_tokens == 10
    # 1130 x $2 + 1120 x $120 + 80 x $12, per million
    assert found.cost == pytest.approx(0.13762)


def test_a_model_that_is_served_elsewhere_has_not_ended(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    google.script(Answer(google_error(404, "NOT_FOUND", "Publisher Model was not found."), 404))
    assert "announced end is 2027-05-28" in failed(sdk, GEMINI).message


def test_a_model_that_is_gone_names_its_successor(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    message = f"Publisher Model `projects/{PROJECT}/x` was not found or your project ..."
    google.script(Answer(google_error(404, "NOT_FOUND", message), 404))
    error = failed(sdk, IMAGEN)
    assert isinstance(error, openai.NotFoundError)
    assert error.code == "model_not_found"
    assert "gemini-nano-banana-2.1" in error.message
    assert PROJECT not in error.message
    google.script(
        Answer(
            google_error(400, "INVALID_ARGUMENT", "imagen-3.0-capability-002 is unavailable."), 400
        )
    )
    assert failed(sdk, "imagen-3.0-capability-002").code == "model_not_found"


def test_an_html_page(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    page = b"<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>"
    google.script(Answer(body=page, status=404, content_type="text/html; charset=UTF-8"))
    error = failed(sdk, GEMINI)
    assert (error.status_code, error.code) == (502, "upstream_error")
    assert "`location`" in error.message


STATUSES: dict[str, tuple[int, dict[str, Any], int, str | None, str | None]] = {
    "mask": (
        400,
        google_error(400, "INVALID_ARGUMENT", "Image editing failed: Mask image is missing."),
        400,
        "invalid_argument",
        "mask",
    ),
    "picture": (
        400,
        google_error(400, "INVALID_ARGUMENT", "Unable to process input image."),
        400,
        "invalid_argument",
        "image",
    ),
    "too large": (
        400,
        google_error(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 5 bytes."),
        413,
        "invalid_argument",
        None,
    ),
    "place": (
        400,
        google_error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        403,
        "location_not_supported",
        None,
    ),
    "cancelled": (499, google_error(499, "CANCELLED", "Cancelled."), 502, "upstream_error", None),
    "internal": (500, google_error(500, "INTERNAL", "Internal."), 500, "internal", None),
    "busy": (503, google_error(503, "UNAVAILABLE", "Overloaded."), 503, "unavailable", None),
    "late": (
        504,
        google_error(504, "DEADLINE_EXCEEDED", "Deadline."),
        504,
        "upstream_timeout",
        None,
    ),
}


@pytest.mark.parametrize("case", STATUSES.values(), ids=STATUSES.keys())
def test_statuses(
    sdk: openai.OpenAI,
    google: VertexUpstream,
    case: tuple[int, dict[str, Any], int, str | None, str | None],
) -> None:
    sent, document, status, code, param = case
    google.script(Answer(document, sent))
    error = failed(sdk, GEMINI)
    assert (error.status_code, error.code, error.param) == (status, code, param)
    assert len(google.requests) == 1


def test_an_array_around_an_error(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    google.script(Answer([google_error(400, "INVALID_ARGUMENT", "Wrong prompt.")], 400))
    error = failed(sdk, GEMINI)
    assert (error.status_code, error.param) == (400, "prompt")
    assert "Wrong prompt." in error.message


@pytest.mark.parametrize("how", ["header", "details", "neither"])
def test_throttling(sdk: openai.OpenAI, google: VertexUpstream, how: str) -> None:
    document = google_error(429, "RESOURCE_EXHAUSTED", MESSAGE)
    if how == "details":
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        document["error"]["details"] = [{"@type": kind, "retryDelay": "37.4s"}]
    google.script(Answer(document, 429, {"retry-after": "9"} if how == "header" else {}))
    error = failed(sdk, GEMINI)
    assert isinstance(error, openai.RateLimitError)
    expected = {"header": "9", "details": "37", "neither": None}[how]
    assert error.response.headers.get("retry-after") == expected


def test_our_credentials_are_not_the_client_s_fault(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    key_error = google_error(
        400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}
    )
    google.script(Answer(key_error, 400))
    errors = [
        failed(sdk, GEMINI),
        failed(sdk, GEMINI, account="badkey"),
        failed(sdk, GEMINI, account="other"),
    ]
    assert [(error.status_code, error.code) for error in errors] == [(502, "upstream_auth")] * 3
    assert "IAM_PERMISSION_DENIED" in errors[2].message
