from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

from retouch.http.access import Access


def written(access: Access, caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    caplog.clear()
    with caplog.at_level(logging.INFO, "retouch.access"):
        access.write()
    (record,) = caplog.records
    line = record.getMessage()
    assert "\n" not in line
    assert line.isprintable()
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    access = Access(method="POST", path="/v1/images/edits", key="team-a", model="a/b", status=200)
    access.cost = 0.016081
    line = written(access, caplog)
    assert list(line) == [
        "time", "request_id", "method", "path", "key", "model", "status", "code", "ms", "cost",
        "answered_id",
    ]  # fmt: skip
    assert (line["method"], line["path"], line["key"]) == ("POST", "/v1/images/edits", "team-a")
    assert (line["model"], line["status"], line["code"]) == ("a/b", 200, None)
    assert line["cost"] == 0.016081
    assert line["ms"] >= 0


def test_the_line_names_the_id_that_the_client_can_quote(caplog: pytest.LogCaptureFixture) -> None:
    access = Access()
    access.note_start(200, [(b"x-request-id", b"req_of_openai")])
    assert access.status == 200
    assert written(access, caplog)["answered_id"] == "req_of_openai"
    access.note_start(400, [(b"x-request-id", access.request_id.encode())])
    assert written(access, caplog)["answered_id"] is None


def test_every_request_has_its_own_id() -> None:
    ids = {Access().request_id for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"req_[0-9a-f]{32}", name) for name in ids)


@pytest.mark.parametrize(
    "text", ["a\nb", 'a"b', "a\x1b[31mb", "a\0b", "a\r\n{}", "\N{LINE SEPARATOR}", "é" * 10_000]
)
def test_a_client_cannot_write_lines_of_its_own(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = written(Access(path=text, model=text), caplog)
    assert line["path"] == line["model"] == text[:200]


def test_nothing_is_written_when_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "retouch.access"):
        Access().write()
    assert caplog.records == []
