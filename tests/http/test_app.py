from __future__ import annotations

import json
import logging
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from retouch.http.app import EDIT_PATHS
from retouch.http.auth import new_key
from retouch.media import blob
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.pictures import picture
from tests.fakes.raw_http import Reply, exchange, head
from tests.http.inside import Door, Studio, configuration, door

PNG = picture(8, 8)
KEY, DIGEST = new_key()
GET_PATHS = ("/v1/models", "/v1/images/models", "/healthz", "/readyz", "/openapi.json")
OPEN_PATHS = {"/healthz", "/readyz", "/openapi.json"}
PATHS = [path.replace("{model:path}", "acc%2Fplain") for path in EDIT_PATHS]


@pytest.fixture(scope="module")
def opened() -> Iterator[Door]:
    with door() as running:
        yield running


@pytest.fixture(scope="module")
def locked() -> Iterator[Door]:
    keys = [{"name": "team", "sha256": DIGEST, "accounts": ["acc"]}]
    with door(configuration(keys=keys), Studio()) as running:
        yield running


def form(**fields: str) -> tuple[bytes, str]:
    parts = [text(name, value) for name, value in fields.items()]
    return encode(text("prompt", "x"), file("image", PNG), *parts)


def ask(door: Door, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        sent["Content-Length"] = str(len(body))
    return exchange(door.address, head(target, sent, method=method) + body)


@pytest.mark.parametrize("path", PATHS)
def test_every_edit_path(opened: Door, path: str) -> None:
    body, kind = form(model="acc/plain")
    assert ask(opened, "POST", path, body, content_type=kind).status == 200
    for query in ("?api-version=2025-04-01-preview", "?", "?a=b&a=c"):
        assert ask(opened, "POST", path + query, body, content_type=kind).status == 200


@pytest.mark.parametrize("path", GET_PATHS)
def test_every_reading_path(opened: Door, path: str) -> None:
    reply = ask(opened, "GET", path)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert isinstance(json.loads(reply.body), dict)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1",
        "/v1/images",
        "/v1/images/edits/",
        "/v1/images/edits/x",
        "/v1/images/generations",
        "/V1/images/edits",
        "//v1/images/edits",
        "/v1//images/edits",
        "/openai/deployments/images/edits",
        "/v1/models/x",
        "/v1/models/",
        "/healthz/",
        "/%2e%2e/etc/passwd",
        "/v1/images/edits%00",
        "/docs",
        "/redoc",
        "/%ff%fe",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_unknown_paths(opened: Door, method: str, target: str) -> None:
    reply = ask(opened, method, target)
    assert reply.status == 404
    assert (reply.error["type"], reply.error["code"]) == ("invalid_request_error", "not_found")
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", PATHS)
def test_wrong_methods_of_edits(opened: Door, path: str, method: str) -> None:
    reply = ask(opened, method, path)
    assert reply.status == 405
    assert reply.error["code"] == "method_not_allowed"
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize("path", GET_PATHS)
def test_wrong_methods_of_reading_paths(opened: Door, path: str) -> None:
    for method in ("POST", "DELETE", "OPTIONS"):
        reply = ask(opened, method, path)
        assert (reply.status, reply.error["code"]) == (405, "method_not_allowed")
        assert set(re.split(r",\s*", reply.headers["allow"])) == {"GET", "HEAD"}


def test_head(opened: Door) -> None:
    assert opened.http.head(PATHS[0]).status_code == 405
    for path in GET_PATHS:
        reply = opened.http.head(path)
        assert (reply.status_code, reply.content) == (200, b"")
        assert int(reply.headers["content-length"]) > 0


@pytest.mark.parametrize("path", PATHS)
def test_edits_need_a_key(locked: Door, path: str) -> None:
    body, kind = form(model="acc/plain")
    for headers in ({}, {"authorization": "Bearer rt-wrong"}, {"api_key": "rt-wrong"}):
        reply = ask(locked, "POST", path, body, content_type=kind, **headers)
        assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    for headers in ({"authorization": f"Bearer {KEY}"}, {"api_key": KEY}):
        assert ask(locked, "POST", path, body, content_type=kind, **headers).status == 200


def test_reading_paths_need_a_key_where_they_say_something(locked: Door) -> None:
    for path in GET_PATHS:
        expected = 200 if path in OPEN_PATHS else 401
        assert ask(locked, "GET", path).status == expected
        assert ask(locked, "GET", path, authorization=f"Bearer {KEY}").status == 200


def test_a_wrong_key_is_told_before_the_body_is_there(locked: Door) -> None:
    """The body is announced and never sent."""
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "800000000"}
    reply = exchange(locked.address, head("/v1/images/edits", headers))
    assert reply.status == 401


def test_a_malformed_host_changes_nothing(opened: Door, locked: Door) -> None:
    for host in ("x/y?", "evil.test", "", "a@b", "[::1", "127.0.0.1:99999"):
        request = f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        assert exchange(opened.address, request).status == 200
        assert exchange(locked.address, request).status == 401


def test_no_answer_comes_from_the_framework(opened: Door) -> None:
    """Whatever is refused is refused in OpenAI's shape, and says nothing of what runs here."""
    body, kind = form()
    replies = [
        ask(opened, "GET", "/nowhere"),
        ask(opened, "DELETE", "/v1/models"),
        ask(opened, "POST", "/v1/images/edits", body, content_type=kind),
        ask(opened, "POST", "/v1/images/edits", b"{}", content_type="application/json"),
        ask(opened, "POST", "/v1/images/edits", b"x", content_type="text/plain"),
        ask(opened, "POST", "/v1/images/edits", b"x"),
    ]
    for reply in replies:
        assert set(reply.error) == {"message", "type", "param", "code"}
        assert "server" not in reply.headers
        assert reply.headers["x-content-type-options"] == "nosniff"
        said = reply.error["message"]
        for name in ("multipart/form-data", "application/json", "account/model", "/v1/models"):
            said = said.replace(name, "")
        assert not re.search(r"(?i)starlette|uvicorn|traceback|0x[0-9a-f]{6}|/", said)


def test_a_full_disk_is_said_to_be_one(opened: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device", "/tmp/secret-path")

    monkeypatch.setattr(blob.budget, "limit", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    body, kind = encode(
        text("model", "acc/plain"), text("prompt", "x"), file("image", bytes(2_000_000))
    )
    reply = ask(opened, "POST", "/v1/images/edits", body, content_type=kind)
    assert (reply.status, reply.error["code"]) == (503, "storage_full")
    assert reply.headers["x-should-retry"] == "true"
    assert "secret-path" not in reply.error["message"]


def test_no_edit_starts_a_thread(opened: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even with files, which are written and closed in threads."""
    monkeypatch.setattr(blob.budget, "limit", 0)
    monkeypatch.setattr("retouch.http.intake_multipart.UNHURRIED_BYTES", 0)
    before = set(threading.enumerate())
    body, kind = encode(
        text("model", "acc/plain"), text("prompt", "x"), file("image", PNG + bytes(4_000_000))
    )
    assert ask(opened, "POST", "/v1/images/edits", body, content_type=kind).status == 200
    assert set(threading.enumerate()) <= before


def test_a_failure_of_ours_tells_nothing(opened: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("internal detail")

    monkeypatch.setattr("retouch.pipeline.build_edit", broken)
    body, kind = form(model="acc/plain")
    reply = ask(opened, "POST", "/v1/images/edits", body, content_type=kind)
    assert (reply.status, reply.error["type"]) == (500, "server_error")
    assert "internal" not in json.dumps(reply.error)


def logged(caplog: pytest.LogCaptureFixture, replies: list[Reply]) -> list[dict[str, Any]]:
    """The access lines of these answers; each is written after its answer."""
    deadline = time.monotonic() + 10
    while True:
        texts = [item.getMessage() for item in caplog.records if item.name == "retouch.access"]
        lines = {line["request_id"]: line for line in map(json.loads, texts)}
        ids = [reply.headers["x-request-id"] for reply in replies]
        if set(ids) <= set(lines):
            assert len(lines) == len(texts)
            return [lines[name] for name in ids]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_one_log_line_per_request(opened: Door, caplog: pytest.LogCaptureFixture) -> None:
    requests = [
        ("POST", "/v1/images/edits", "acc/plain"),
        ("GET", "/nowhere?secret=1", "-"),
        ("POST", "/v1/images/edits", "acc/none"),
    ]
    replies = []
    with caplog.at_level(logging.INFO, "retouch.access"):
        for method, target, model in requests:
            body, kind = form(model=model)
            replies.append(ask(opened, method, target, body, content_type=kind))
        lines = logged(caplog, replies)
    assert [(line["method"], line["path"], line["status"], line["code"]) for line in lines] == [
        ("POST", "/v1/images/edits", 200, None),
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/v1/images/edits", 404, "model_not_found"),
    ]
    assert [line["model"] for line in lines] == [model for _, _, model in requests]
    assert [line["cost"] for line in lines] == [0.25, None, None]


def test_the_log_knows_no_prompt_and_no_key(locked: Door, caplog: pytest.LogCaptureFixture) -> None:
    body, kind = form(model="acc/plain", user="canary-user")
    target = "/v1/images/edits?q=canary-query"
    secrets = ({"authorization": f"Bearer {KEY}"}, {"api_key": "rt-canary-wrong"})
    with caplog.at_level(logging.DEBUG):
        replies = [
            ask(locked, "POST", target, body, content_type=kind, **headers) for headers in secrets
        ]
        lines = logged(caplog, replies)
    # pytest listens to uvicorn's access log too, which the program switches off.
    said = [item.getMessage() for item in caplog.records if item.name.startswith("retouch")]
    for canary in ("canary", KEY, DIGEST):
        assert canary not in "".join(said)
    assert [line["key"] for line in lines] == ["team", "-"]
