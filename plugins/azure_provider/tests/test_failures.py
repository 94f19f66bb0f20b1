"""What of Azure's errors reaches the client: the documented parts, and nothing that was planted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from retouch import ContentRejected, UpstreamAuth, UpstreamError, UpstreamResponse
from retouch_azure.failures import failure

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
