"""What of Azure's errors reaches the client: the documented parts, and nothing that was planted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from retouch import ContentRejected, UpstreamAuth, UpstreamError, UpstreamResponse
from retouch_azure.failures import failure, sorted_out

PLANTED = "api-key 0123456789abcdef in the clear"


def said(status: int, document: Any) -> Any:
    return failure(UpstreamResponse(status=status, body=msgspec.json.encode(document)))


def test_all_documented_verdicts_are_kept() -> None:
    results = {
        "hate": {"filtered": False, "severity": "safe"},
        "self_harm": {"filtered": True, "severity": "medium"},
        "profanity": {"detected": True, "filtered": False},
        "custom_blocklists": {"filtered": True, "details": [{"id": "ours", "filtered": True}]},
    }
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": results}
    error = said(400, {"error": {"code": "content_filter", "message": "No.", "innererror": inner}})
    assert isinstance(error, ContentRejected)
    assert (error.status, error.code, error.message) == (400, "content_filter", "No.")
    assert error.retry is False
    assert error.details == {"content_filter_results": results}


@pytest.mark.parametrize(
    "results",
    [
        PLANTED,
        [PLANTED],
        {PLANTED: {"filtered": True}},
        {"hate": PLANTED},
        {"hate": {"filtered": PLANTED, "severity": PLANTED, PLANTED: PLANTED}},
        {"custom_blocklists": {"details": [{"id": PLANTED, "filtered": True}, PLANTED]}},
    ],
)
def test_nothing_planted_is_kept(results: Any) -> None:
    more = {"content_filter_results": results, "moderation_details": {"categories": [PLANTED]}}
    error = said(400, {"error": {"code": "content_filter", "message": "No.", **more}})
    assert isinstance(error, ContentRejected)
    assert PLANTED not in msgspec.json.encode(error.to_dict()).decode()


VIOLENT = {"violence": {"filtered": True, "severity": "high"}}


@pytest.mark.parametrize("name", ["content_filter_results", "prompt_filter_results"])
@pytest.mark.parametrize("nothing", [{}, {"b64_json": None}, {"b64_json": "", "url": None}])
def test_a_refusal_among_pictures(name: str, nothing: dict[str, Any]) -> None:
    picture = {"b64_json": "aGk=", "content_filter_results": {"hate": {"filtered": False}}}
    data = [{**nothing, name: {**VIOLENT, PLANTED: PLANTED}}, picture]
    body, [refusal] = sorted_out(msgspec.json.encode({"created": 1, "data": data, "usage": {}}))
    assert body is not None
    assert msgspec.json.decode(body) == {"created": 1, "data": [picture], "usage": {}}
    assert (refusal.status, refusal.code, refusal.retry) == (400, "content_filter", False)
    assert refusal.details == {"content_filter_results": VIOLENT}


@pytest.mark.parametrize(
    "data",
    [
        [{"b64_json": None}, {"content_filter_results": VIOLENT}],
        [{"content_filter_results": {"violence": {"filtered": False}}}],
        [{"content_filter_results": PLANTED}],
        [{"b64_json": 1, "content_filter_results": VIOLENT}],
        {"content_filter_results": VIOLENT},
        ["content_filter_results"],
        [],
    ],
)
def test_what_the_filter_does_not_explain_is_no_refusal(data: Any) -> None:
    body = msgspec.json.encode({"data": data, "content_filter_results": VIOLENT})
    assert sorted_out(body) == (None, [])


@pytest.mark.parametrize("status", [429, 500, 503, 401])
def test_a_filter_code_with_another_status_is_no_refusal(status: int) -> None:
    error = said(status, {"error": {"code": "content_filter", "message": "No."}})
    assert not isinstance(error, ContentRejected)


def test_numbers_as_codes() -> None:
    assert said(400, {"error": {"code": 400, "message": "No."}}).code == "400"
    assert said(400, {"error": {"code": True, "message": "No."}}).code is None


@pytest.mark.parametrize("code", ["Forbidden", "403", None])
def test_only_the_block_is_an_outage(code: str | None) -> None:
    block = "Your resource has been temporarily blocked because of our content policy."
    blocked = said(403, {"error": {"code": code, "message": block}})
    assert type(blocked) is UpstreamError
    assert (blocked.status, blocked.retry) == (502, False)
    other = said(403, {"error": {"code": code, "message": "Traffic is not from a VNet."}})
    assert isinstance(other, UpstreamAuth)
