from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from starlette.types import Message

from retouch import EditedImage, EditResult
from retouch.errors import ContentRejected, GatewayError, InvalidRequest, UpstreamUnreachable
from retouch.http.answers import result_body, result_headers, send_body, send_error, send_json
from retouch.media.blob import CHUNK_SIZE, Blob
from retouch.splitting import Outcome
from retouch.upstream.body import Base64, Body
from tests.http.inside import ANYBODY, Studio, configuration, opened, submission

USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


class Sent:
    """What an ASGI server was given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def head(self) -> tuple[int, dict[str, str]]:
        start = self.messages[0]
        assert start["type"] == "http.response.start"
        return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        pieces = self.messages[1:]
        assert all(piece["type"] == "http.response.body" for piece in pieces)
        assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [
            False
        ]
        return b"".join(bytes(piece["body"]) for piece in pieces)


async def test_json() -> None:
    sent = Sent()
    await send_json(sent, 201, {"a": "é"}, {"x-b": "c"})
    assert sent.head == (
        201,
        {
            "content-type": "application/json",
            "content-length": "10",
            "x-content-type-options": "nosniff",
            "x-b": "c",
        },
    )
    assert json.loads(sent.body) == {"a": "é"}


async def test_a_large_body_goes_out_in_pieces() -> None:
    data = bytes(range(256)) * (3 * CHUNK_SIZE // 256)
    sent = Sent()
    await send_body(sent, 200, Body((b"<", Base64(Blob(data)), b">"), "a/b"))
    assert sent.body == b"<" + base64.b64encode(data) + b">"
    assert sent.head[1]["content-length"] == str(len(sent.body))
    assert max(len(piece["body"]) for piece in sent.messages[1:]) <= CHUNK_SIZE * 4 // 3 + 4


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (InvalidRequest("No.", param="size"), None),
        (ContentRejected(), "false"),
        (UpstreamUnreachable(), "true"),
        (InvalidRequest("No.", retry=True), "true"),
    ],
)
async def test_errors(error: GatewayError, hint: str | None) -> None:
    sent = Sent()
    error.headers = {"retry-after": "7"}
    await send_error(sent, error, {"x-request-id": "r", "retry-after": "1"})
    status, headers = sent.head
    assert status == error.status
    assert headers.get("x-should-retry") == hint
    assert (headers["x-request-id"], headers["retry-after"]) == ("r", "7")
    assert headers["content-type"] == "application/json"
    assert json.loads(sent.body) == error.to_dict()


def document(result: EditResult, failures: tuple[GatewayError, ...] = ()) -> dict[str, Any]:
    body = result_body(Outcome(result=result, failures=failures), "studio")
    text = b"".join(bytes(piece) for piece in body.chunks())
    assert body.size == len(text)
    value: dict[str, Any] = json.loads(text)
    return value


def test_openais_answer_with_provider_and_cost() -> None:
    data = b"\x89PNG" * 1000
    text = base64.b64encode(data).decode()
    images = (
        EditedImage(data=text, revised_prompt="y"),
        EditedImage(data=text.encode()),
        EditedImage(data=memoryview(b"xx" + text.encode())[2:]),
        EditedImage(data=Blob(data)),
        EditedImage(url="https://a.test/b.png"),
    )
    assert document(
        EditResult(
            images=images,
            created=5,
            background="opaque",
            output_format="png",
            quality="high",
            size="8x8",
            usage=USAGE,
            cost=0.016081,
            extra={"safety_identifier": "me"},
        )
    ) == {
        "created": 5,
        "data": [
            {"b64_json": text, "revised_prompt": "y"},
            {"b64_json": text},
            {"b64_json": text},
            {"b64_json": text},
            {"url": "https://a.test/b.png"},
        ],
        "background": "opaque",
        "output_format": "png",
        "quality": "high",
        "size": "8x8",
        "usage": USAGE,
        "safety_identifier": "me",
        "provider": "studio",
        "cost": 0.016081,
    }


def test_what_is_unknown() -> None:
    """The cost is null, never 0; ``created`` is required by the SDKs' types."""
    value = document(EditResult(images=()))
    assert set(value) == {"created", "data", "provider", "cost"}
    assert value["cost"] is None
    assert isinstance(value["created"], int)
    assert value["created"] > 1_700_000_000


def test_a_plugin_cannot_speak_for_the_gateway() -> None:
    value = document(EditResult(images=(), extra={"provider": "x", "cost": 0}))
    assert (value["provider"], value["cost"]) == ("studio", None)


def test_failures_of_parts_are_told() -> None:
    value = document(EditResult(images=()), (ContentRejected("Refused."),))
    assert value["errors"] == [ContentRejected("Refused.").to_dict()["error"]]


@pytest.mark.parametrize("told", [[{"code": "mine"}], {"code": "mine"}, ({"code": "mine"},)])
def test_a_plugins_own_errors_stay_before_those_of_failed_calls(told: Any) -> None:
    result = EditResult(images=(), extra={"errors": told})
    value = document(result, (ContentRejected("Refused."),))
    assert value["errors"] == [{"code": "mine"}, ContentRejected("Refused.").to_dict()["error"]]


async def test_fewer_pictures_than_asked_for_are_a_partial_result() -> None:
    """Also when no call failed: some providers filter single pictures."""
    async with opened(configuration(), Studio()) as edits:
        prepared = edits.prepare(submission("many", n=3), ANYBODY, "r")
        one = edits.prepare(submission(), ANYBODY, "r")
    two, three = (EditResult(images=(EditedImage(data="QUJD"),) * count) for count in (2, 3))
    assert result_headers(Outcome(result=two), prepared) == {"x-retouch-partial": "2/3"}
    assert result_headers(Outcome(result=three), prepared) == {}
    assert result_headers(Outcome(result=two), one) == {}


async def test_headers_of_a_result() -> None:
    async with opened(configuration(drop_params=True), Studio()) as edits:
        prepared = edits.prepare(submission(n=3, quality="max", background="opaque"), ANYBODY, "r")
        plain = edits.prepare(submission(), ANYBODY, "r")
    result = EditResult(images=(EditedImage(data="QUJD"),))
    headers = {"x-request-id": "up"}
    assert result_headers(Outcome(result=result, headers=headers), plain) == headers
    partial = Outcome(result=result, headers=headers, failures=(ContentRejected(),) * 2)
    assert result_headers(partial, prepared) == {
        "x-request-id": "up",
        "x-retouch-dropped": "quality, background",
        "x-retouch-partial": "1/3",
    }
