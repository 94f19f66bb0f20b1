from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from retouch import errors
from retouch.errors import (
    GatewayError,
    UpstreamAuth,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    from_upstream,
    retry_after,
)
from retouch.types import UpstreamResponse


def subclasses(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from subclasses(child)


CLASSES: list[type[GatewayError]] = [GatewayError, *subclasses(GatewayError)]


def answer(status: int, error: Any = None, **headers: str) -> UpstreamResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    body = error if isinstance(error, bytes) else msgspec.json.encode({"error": error})
    return UpstreamResponse(status=status, headers=sent, body=body)


def test_the_tree_drawn_in_the_module_is_the_tree() -> None:
    drawn = {}
    for line in (errors.__doc__ or "").splitlines():
        row = re.fullmatch(r"[ │├└─]*(\w+)\s+(\d{3})\s+(\w+)(?:\s+(\w+))?", line)
        if row is not None:
            drawn[row[1]] = (int(row[2]), row[3], row[4])
    real = {
        kind.__name__: (kind.status, kind.type, kind.code)
        for kind in CLASSES
        if kind is not UpstreamRefused  # has the provider's own
    }
    assert drawn == real


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not UpstreamRefused])
def test_every_error_has_openais_shape(kind: type[GatewayError]) -> None:
    error = kind()
    document = error.to_dict()
    assert list(document) == ["error"]
    assert document["error"] == {
        "message": kind.default_message,
        "type": kind.type,
        "param": None,
        "code": kind.code,
    }
    assert str(error) == kind.default_message
    assert re.fullmatch(r"[A-Z].*\.", kind.default_message)
    msgspec.json.encode(document)


def test_what_an_error_is_made_of() -> None:
    error = errors.InvalidRequest(
        "No.", param="size", code="bad", retry=False, headers={"a": "b"}, details={"x": [1]}
    )
    assert error.to_dict() == {
        "error": {
            "x": [1],
            "message": "No.",
            "type": "invalid_request_error",
            "param": "size",
            "code": "bad",
        }
    }
    assert (error.retry, error.headers) == (False, {"a": "b"})


def test_details_cannot_hide_the_message() -> None:
    error = errors.InvalidRequest("No.", details={"message": "Yes.", "code": "x"})
    assert error.to_dict()["error"]["message"] == "No."
    assert error.to_dict()["error"]["code"] is None


def test_whatever_may_have_run_is_not_to_be_repeated() -> None:
    """The promise of the tree: only where nothing was sent may an SDK try again by itself."""
    repeatable = {kind.__name__ for kind in CLASSES if kind.retry is True}
    assert repeatable == {"Unavailable", "UpstreamUnreachable"}
    forbidden = {kind.__name__ for kind in CLASSES if kind.retry is False}
    assert forbidden == {
        "ContentRejected",
        "PluginBug",
        "UpstreamAuth",
        "UpstreamError",
        "UpstreamInvalid",
        "UpstreamTimeout",
    }


def test_the_providers_refusal_passes() -> None:
    error = from_upstream(
        answer(
            400,
            {
                "message": "Unknown parameter: 'x'.",
                "type": "invalid_request_error",
                "param": "x",
                "code": "unknown_parameter",
            },
        )
    )
    assert isinstance(error, UpstreamRefused)
    assert (error.status, error.retry) == (400, None)
    assert error.to_dict()["error"] == {
        "message": "Unknown parameter: 'x'.",
        "type": "invalid_request_error",
        "param": "x",
        "code": "unknown_parameter",
    }


def test_moderation_details_pass() -> None:
    details = {"moderation_stage": "output", "categories": ["violence"]}
    error = from_upstream(answer(400, {"message": "No.", "moderation_details": details}))
    assert error.to_dict()["error"]["moderation_details"] == details


@pytest.mark.parametrize(
    ("status", "kind", "ours", "retry"),
    [
        (401, UpstreamAuth, 502, False),
        (408, UpstreamTimeout, 504, False),
        (504, UpstreamTimeout, 504, False),
        (101, UpstreamError, 502, False),
        (204, UpstreamError, 502, False),
        (302, UpstreamError, 502, False),
        (304, UpstreamError, 502, False),
        (600, UpstreamError, 502, False),
        (999, UpstreamError, 502, False),
        (403, UpstreamRefused, 403, None),
        (404, UpstreamRefused, 404, None),
        (429, UpstreamRefused, 429, None),
        (499, UpstreamRefused, 499, None),
        (500, UpstreamRefused, 500, False),
        (503, UpstreamRefused, 503, False),
        (599, UpstreamRefused, 599, False),
    ],
)
def test_statuses(status: int, kind: type[GatewayError], ours: int, retry: bool | None) -> None:
    error = from_upstream(answer(status, {"message": "m"}))
    assert type(error) is kind
    assert (error.status, error.retry) == (ours, retry)


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (400, "true", True),
        (400, "false", False),
        (500, "true", True),
        (500, "false", False),
        (503, "yes", False),
        (400, "TRUE", None),
    ],
)
def test_only_the_provider_can_say_that_a_failure_may_be_repeated(
    status: int, said: str, expected: bool | None
) -> None:
    assert from_upstream(answer(status, None, x_should_retry=said)).retry is expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>bad gateway</html>",
        b"null",
        b"[]",
        b'{"detail": "x"}',
        b'{"error": null}',
        b'{"error": [1]}',
        b'{"error": 5}',
        b'{"error": {"message": null}}',
        b'{"error": {"message": ""}}',
        b'{"error": {"message": {"text": "x"}}}',
        b'{"error": {"message": true}}',
        b'{"error": {"message": "\xff"}}',
        b'{"error": {"message": "' + b"x" * 100,
        b"[" * 100_000,
        b'{"error":' * 100_000,
    ],
)
def test_answers_without_a_message(body: bytes) -> None:
    error = from_upstream(answer(503, body))
    assert error.message == "The provider answered with HTTP 503."
    assert error.to_dict()["error"]["code"] is None


@pytest.mark.parametrize(
    ("error", "code", "param"),
    [
        ({"message": "m", "code": 429}, "429", None),
        ({"message": "m", "code": "x", "param": ["a"]}, "x", None),
        ({"message": "m", "code": {"a": 1}, "param": "a"}, None, "a"),
        ({"message": "m", "code": "", "param": ""}, None, None),
        ({"message": "m", "code": True}, None, None),
        ({"message": "m", "type": 5, "code": "x"}, "x", None),
        ("m", None, None),
    ],
)
def test_a_strange_key_does_not_hide_the_others(
    error: Any, code: str | None, param: str | None
) -> None:
    found = from_upstream(answer(400, error))
    assert (found.message, found.code, found.param) == ("m", code, param)
    assert isinstance(found.type, str)


def test_a_plugin_brings_its_own_message_and_code() -> None:
    found = from_upstream(answer(400, b"<Error/>"), message="Too large.", code="TooLarge")
    assert (found.message, found.code) == ("Too large.", "TooLarge")


def test_long_messages_are_cut() -> None:
    assert len(from_upstream(answer(400, {"message": "x" * 1_000_000})).message) == 2000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, "7"),
        ({"retry-after": "0"}, "1"),
        ({"retry-after": "0.2"}, "1"),
        ({"retry-after": "10.6"}, "11"),
        ({"retry-after": "-5"}, "1"),
        ({"retry-after": "121"}, "120"),
        ({"retry-after": "1e20"}, "120"),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "2500"}, "2"),
        ({"retry-after-ms": "1"}, "1"),
        ({"retry-after-ms": "1e308"}, "120"),
        ({"retry-after-ms": "nan", "retry-after": "7"}, "7"),
        ({"retry-after-ms": "soon", "retry-after": "7"}, "7"),
        ({"retry-after-ms": "3000", "retry-after": "7"}, "3"),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, "1"),
        ({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}, "120"),
        ({"retry-after": "Fri, 99 Jan 99999 99:99:99 GMT"}, None),
    ],
)
def test_the_wait_is_one_that_the_sdks_obey(headers: dict[str, str], seconds: str | None) -> None:
    expected = {} if seconds is None else {"retry-after": seconds}
    assert retry_after(headers) == expected
    assert from_upstream(answer(429, None, **headers)).headers == expected


def test_the_wait_until_a_date() -> None:
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 50 <= int(retry_after({"retry-after": date})["retry-after"]) <= 61


def test_only_a_refusal_for_load_says_when_to_come_back() -> None:
    assert from_upstream(answer(400, None, retry_after="7")).headers == {}


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (429, None, "rate_limit_error"),
        (429, "requests", "requests"),
        (400, None, "invalid_request_error"),
        (500, None, "server_error"),
    ],
)
def test_the_type_of_a_refusal_that_has_none(status: int, said: str | None, expected: str) -> None:
    error = from_upstream(answer(status, {"message": "m", "type": said}))
    assert error.type == expected
    assert error.to_dict()["error"]["type"] == expected
