from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from retouch.testing.replies import Broken, Reply, reply
from retouch.testing.upstream import Received, Upstream

PATIENCE = 10.0


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    running = Upstream({"/token": reply(200, json={"access_token": "t"})})
    running.start()
    yield running
    running.stop()


def connection(upstream: Upstream) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(upstream.url.removeprefix("http://"), timeout=PATIENCE)


def ask(upstream: Upstream, path: str = "/edit", **headers: str) -> tuple[int, str, bytes]:
    client = connection(upstream)
    client.request("POST", path, b"the body", headers)
    response = client.getresponse()
    try:
        return response.status, response.headers["content-type"], response.read()
    finally:
        response.close()
        client.close()


def test_it_records_and_answers(upstream: Upstream) -> None:
    upstream.reset(lambda _: reply(402, json={"why": "money"}, headers={"X-One": "1"}))
    assert ask(upstream, "/edit?a=%20b", **{"X-Kit": "yes"}) == (
        402,
        "application/json",
        b'{"why":"money"}',
    )
    received = upstream.requests[0]
    assert (received.method, received.path) == ("POST", "/edit?a=%20b")
    assert (received.body, received.headers["x-kit"]) == (b"the body", "yes")
    assert "POST /edit?a=%20b" in received.text
    assert "x-kit: yes" in received.text
    assert received.text.endswith("the body")
    assert not received.left.is_set()


def test_an_answer_may_look_at_the_request(upstream: Upstream) -> None:
    def length(request: Received) -> Reply:
        return reply(200, body=str(len(request.body)).encode())

    upstream.reset(length)
    assert ask(upstream)[2] == b"8"


def test_other_requests_are_kept_apart(upstream: Upstream) -> None:
    assert json.loads(ask(upstream, "/token")[2]) == {"access_token": "t"}
    assert (len(upstream.requests), len(upstream.others)) == (0, 1)


def test_a_stream_is_sent_frame_by_frame(upstream: Upstream) -> None:
    events: list[Any] = [{"a": 1}, ("named", {"b": 2}), b": comment\n\n"]
    upstream.reset(lambda _: reply(200, sse=events))
    assert ask(upstream) == (
        200,
        "text/event-stream",
        b'data: {"a":1}\n\nevent: named\ndata: {"b":2}\n\n: comment\n\n',
    )


def test_a_reset_before_the_answer(upstream: Upstream) -> None:
    upstream.reset(lambda _: Broken())
    with pytest.raises(ConnectionError):
        ask(upstream)


def test_a_cut_body(upstream: Upstream) -> None:
    upstream.reset(lambda _: Broken(reply=reply(200, body=b"0123456789"), sent=4))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask(upstream)


def test_silence_until_the_client_leaves(upstream: Upstream) -> None:
    upstream.reset(lambda _: Broken(then="silence"))
    client = connection(upstream)
    client.request("POST", "/edit", b"")
    received = upstream.wait(PATIENCE)
    assert not received.left.is_set()
    client.close()
    assert received.left.wait(PATIENCE)


def test_a_reset_of_the_record_ends_the_silence(upstream: Upstream) -> None:
    upstream.reset(lambda _: Broken(then="silence"))
    client = connection(upstream)
    client.request("POST", "/edit", b"")
    upstream.wait(PATIENCE)
    upstream.reset(lambda _: reply(200))
    with pytest.raises(ConnectionError):
        client.getresponse()
    client.close()
    assert upstream.requests == []


def test_silence_in_the_middle_of_a_stream(upstream: Upstream) -> None:
    stream = reply(200, sse=[{"a": 1}, {"b": 2}])
    upstream.reset(lambda _: Broken(reply=stream, sent=1, then="silence"))
    client = connection(upstream)
    client.request("POST", "/edit", b"")
    with client.getresponse() as response:
        assert response.readline() == b'data: {"a":1}\n'
        assert not upstream.requests[0].left.is_set()
    client.close()
    assert upstream.requests[0].left.wait(PATIENCE)
