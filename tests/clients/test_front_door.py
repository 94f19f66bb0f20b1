"""Paths, methods and content types: whatever goes wrong, the answer has OpenAI's shape."""

from __future__ import annotations

import pytest

from tests.fakes.gateway import Gateway
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.openai_upstream import OpenAIUpstream
from tests.fakes.pictures import picture
from tests.fakes.raw_http import exchange, head, post

BODY, CONTENT_TYPE = encode(
    text("model", "openai-main/gpt-image-2"), text("prompt", "x"), file("image", picture())
)
EDITS = "/v1/images/edits"


UNKNOWN = [
    "/",
    "/v1",
    "/docs",
    "/v1/chat/completions",
    "/v1/images/edit",
    "/v1/images/edits/",
    "/v1//images/edits",
    "/v1/images/generations",
    "/openai/deployments/images/edits",
    "/%00",
    "/..%2f..%2fetc",
]


@pytest.mark.parametrize("target", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path(
    shared_gateway: Gateway, upstream: OpenAIUpstream, target: str, method: str
) -> None:
    sent = head(
        target, {"Content-Type": CONTENT_TYPE, "Content-Length": str(len(BODY))}, method=method
    )
    answer = exchange(shared_gateway.address, sent + BODY)
    assert answer.status == 404
    assert answer.error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("target", [EDITS, "/images/edits", "/openai/v1/images/edits"])
def test_wrong_method(shared_gateway: Gateway, method: str, target: str) -> None:
    answer = exchange(shared_gateway.address, head(target, {}, method=method))
    assert answer.status == 405
    assert answer.error["type"] == "invalid_request_error"
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("target", ["/v1/models", "/healthz", "/readyz", "/v1/images/models"])
def test_reading_endpoints(shared_gateway: Gateway, target: str) -> None:
    assert exchange(shared_gateway.address, head(target, {}, method="GET")).status == 200
    wrong = exchange(shared_gateway.address, head(target, {"Content-Length": "0"}))
    assert wrong.status == 405
    assert "GET" in wrong.headers["allow"]
    assert wrong.error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=abc",
        "application/octet-stream",
        "application/jsonp",
        "image/png",
    ],
)
def test_wrong_content_type(
    shared_gateway: Gateway, upstream: OpenAIUpstream, content_type: str | None
) -> None:
    answer = post(shared_gateway.address, BODY, content_type)
    assert answer.status == 415
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, gzip"])
def test_compressed_body(shared_gateway: Gateway, upstream: OpenAIUpstream, encoding: str) -> None:
    answer = post(shared_gateway.address, BODY, CONTENT_TYPE, Content_Encoding=encoding)
    assert answer.status == 415
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


def test_identity_is_not_compressed(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    answer = post(shared_gateway.address, BODY, CONTENT_TYPE, Content_Encoding="identity")
    assert answer.status == 200
    upstream.only()


def test_more_than_any_edit_can_have(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    """Refused by its declared length, before a byte of it is read."""
    promise = {"Content-Type": CONTENT_TYPE, "Content-Length": str(10**12)}
    answer = exchange(shared_gateway.address, head(EDITS, promise) + BODY[:100])
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"
    assert upstream.requests == []


MALFORMED: dict[str, bytes] = {
    "no HTTP": b"hello\r\n\r\n",
    "control character": head(EDITS, {"Content-Type": "\x01", "Content-Length": "0"}),
    "negative length": head(EDITS, {"Content-Length": "-1"}),
    "two lengths": head(EDITS, {"Content-Length": "3", "content-length": "4"}),
    "length that is no number": head(EDITS, {"Content-Length": "0x10"}),
    "space before the colon": head(EDITS, {"Content-Length ": "0"}),
    "bad chunk": head(EDITS, {"Content-Type": CONTENT_TYPE, "Transfer-Encoding": "chunked"})
    + b"zz\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_http(shared_gateway: Gateway, upstream: OpenAIUpstream, sent: bytes) -> None:
    """The server's own refusals have the same shape."""
    answer = exchange(shared_gateway.address, sent)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


def test_every_failure_has_its_own_request_id(shared_gateway: Gateway) -> None:
    ids = {
        exchange(shared_gateway.address, head("/nowhere", {}, method="GET")).headers["x-request-id"]
        for _ in range(5)
    }
    assert len(ids) == 5
