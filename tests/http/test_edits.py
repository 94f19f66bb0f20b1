from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from retouch import EditedImage, EditEvent, EditRequest, EditResult
from retouch.errors import ContentRejected, RateLimited, UpstreamRefused
from retouch.media import blob
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.pictures import picture
from tests.fakes.raw_http import head, read_reply
from tests.fakes.replies import Gate
from tests.http.inside import RESULT, Door, Studio, Watcher, configuration, door, result

PNG = picture(8, 8)
WAIT_SECONDS = 10


class House:
    """A door whose studio a test may change; made afresh for each."""

    def __init__(self, door: Door, watcher: Watcher) -> None:
        self.door = door
        self.studio = door.studio
        self.watcher = watcher

    def post(self, model: str = "many", **fields: str) -> httpx2.Response:
        body, kind = self.form(model, **fields)
        return self.door.http.post("/v1/images/edits", content=body, headers={"content-type": kind})

    def form(self, model: str = "many", **fields: str) -> tuple[bytes, str]:
        parts = [text(name, value) for name, value in fields.items()]
        return encode(
            text("model", f"acc/{model}"), text("prompt", "x"), file("image", PNG), *parts
        )

    def raw(self, model: str = "many", **fields: str) -> bytes:
        body, kind = self.form(model, **fields)
        headers = {"Content-Type": kind, "Content-Length": str(len(body))}
        return head("/v1/images/edits", headers) + body


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Door, Watcher]]:
    watcher = Watcher()
    with door(configuration({"heartbeat": 0.05}), Studio(), watcher) as opened:
        yield opened, watcher


@pytest.fixture
def house(running: tuple[Door, Watcher]) -> House:
    opened, watcher = running
    vars(opened.studio).update(vars(Studio()))
    watcher.seen.clear()
    watcher.ended.clear()
    return House(opened, watcher)


def test_an_edit(house: House) -> None:
    house.studio.headers = {"x-request-id": "req_up", "x-ratelimit-limit-images": "5"}
    reply = house.post(n="2", seed="7")
    assert reply.status_code == 200
    value = reply.json()
    assert [item["b64_json"] for item in value["data"]] == [RESULT, RESULT]
    assert (value["provider"], value["cost"]) == ("studio", 0.25)
    assert reply.headers["x-request-id"] == "req_up"
    assert reply.headers["x-ratelimit-limit-images"] == "5"
    (edit,) = house.studio.edits
    assert (edit.n, edit.options.seed) == (2, 7)
    assert edit.request_id.startswith("req_")


def test_pictures_are_there_while_the_provider_works_and_gone_after(house: House) -> None:
    seen = []

    async def answer(edit: EditRequest) -> EditResult:
        (image,) = edit.images
        seen.append(image.blob.read())  # type: ignore[union-attr]
        return result()

    house.studio.answer = answer
    assert house.post().status_code == 200
    assert seen == [PNG]
    (image,) = house.studio.edits[0].images

    def gone() -> bool:
        try:
            image.blob.read()  # type: ignore[union-attr]
        except (OSError, ValueError):
            return True
        return False

    wait_for(gone)  # the last byte of the answer may be here first


def test_a_partial_result(house: House) -> None:
    async def answer(edit: EditRequest) -> EditResult:
        if edit.options.seed == 4:
            raise ContentRejected("Refused.")
        return result(images=(EditedImage(data=RESULT),) * 4)

    house.studio.answer = answer
    reply = house.post(n="8", seed="0")
    assert reply.status_code == 200
    assert reply.headers["x-retouch-partial"] == "4/8"
    value = reply.json()
    assert len(value["data"]) == 4
    assert [error["code"] for error in value["errors"]] == ["moderation_blocked"]


def test_an_error_has_the_providers_headers_and_an_id(house: House) -> None:
    async def limited(edit: EditRequest) -> EditResult:
        raise UpstreamRefused(429, "Slow down.", code="slow", headers={"retry-after": "7"})

    house.studio.answer = limited
    reply = house.post()
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert reply.json()["error"]["code"] == "slow"
    assert reply.headers["x-request-id"].startswith("req_")
    assert "x-should-retry" not in reply.headers


def test_a_bug_of_a_plugin_tells_nothing(house: House) -> None:
    async def bug(edit: EditRequest) -> EditResult:
        raise ValueError("internal detail")

    house.studio.answer = bug
    reply = house.post()
    assert (reply.status_code, reply.headers["x-should-retry"]) == (500, "false")
    assert "internal" not in reply.text
    assert reply.json()["error"]["code"] == "plugin_error"


# --- streams -----------------------------------------------------------------------------


def test_a_stream(house: House) -> None:
    reply = house.post("streams", stream="true")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    names = [line for line in reply.text.split("\n") if line.startswith("event: ")]
    assert names == ["event: image_edit.partial_image", "event: image_edit.completed"]


def test_an_error_before_the_first_event_is_plain_http(house: House) -> None:
    async def refuses(edit: EditRequest) -> AsyncIterator[EditEvent]:
        raise RateLimited
        yield

    house.studio.events = refuses
    reply = house.post("streams", stream="true")
    assert reply.status_code == 429
    assert reply.json()["error"]["code"] == "rate_limit_exceeded"
    assert reply.headers["x-request-id"].startswith("req_")


def test_an_error_after_the_first_event_is_an_event(house: House) -> None:
    async def breaks(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        raise RateLimited

    house.studio.events = breaks
    reply = house.post("streams", stream="true")
    assert reply.status_code == 200
    assert reply.text.count("event: ") == 2
    assert '"error":{"message":"Too many requests."' in reply.text


def test_events_and_heartbeats_arrive_while_the_edit_runs(house: House) -> None:
    gate = Gate()

    async def slow(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        await gate.passed()
        yield EditEvent(type="image_edit.completed", data=b"{}")

    house.studio.events = slow
    with socket.create_connection(house.door.address, WAIT_SECONDS) as connection:
        connection.sendall(house.raw("streams", stream="true"))
        got = b""
        while b": heartbeat" not in got:
            got += connection.recv(65536)
        assert b"image_edit.partial_image" in got
        assert b"image_edit.completed" not in got
        gate.open()
        while b"image_edit.completed" not in got:
            got += connection.recv(65536)


# --- clients that leave ------------------------------------------------------------------


async def forever(edit: EditRequest) -> EditResult:
    await asyncio.Event().wait()
    raise AssertionError


async def endless(edit: EditRequest) -> AsyncIterator[EditEvent]:
    yield EditEvent(type="image_edit.partial_image", data=b"{}")
    await asyncio.Event().wait()


async def torrent(edit: EditRequest) -> AsyncIterator[EditEvent]:
    while True:
        yield EditEvent(
            type="image_edit.partial_image", data=b'{"b64_json":"' + b"A" * 99_999 + b'"}'
        )


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("events", [None, endless, torrent])
@pytest.mark.parametrize("half", [False, True], ids=["closes", "half-closes"])
def test_a_client_that_leaves_cancels_the_edit(house: House, events: Any, half: bool) -> None:
    """Streamed or not, and also when it has stopped reading: nobody pays for nobody."""
    house.studio.answer = forever
    house.studio.events = events or endless
    model = "many" if events is None else "streams"
    with socket.create_connection(house.door.address, WAIT_SECONDS) as connection:
        connection.sendall(house.raw(model, stream="false" if events is None else "true"))
        wait_for(lambda: house.studio.requests)
        if events is not None:
            connection.recv(1000)
        if half:
            connection.shutdown(socket.SHUT_WR)
            wait_for(house.watcher.ended.is_set)
    assert house.watcher.ended.wait(WAIT_SECONDS)
    assert house.watcher.seen[1:] == ["CancelledError"]


def test_a_client_that_leaves_in_its_upload_is_no_edit(house: House) -> None:
    sent = house.raw()
    with socket.create_connection(house.door.address, WAIT_SECONDS) as connection:
        connection.sendall(sent[:-20])
    assert house.post().status_code == 200
    assert len(house.studio.edits) == 1


def test_many_clients_that_leave_leave_nothing_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither connections nor the files of their uploads."""
    monkeypatch.setattr(blob.budget, "limit", 0)
    body, kind = encode(text("model", "acc/many"), file("image", bytes(3_000_000)))
    start = head("/v1/images/edits", {"Content-Type": kind, "Content-Length": str(len(body) + 9)})
    wait_for(lambda: house.post().status_code == 200)

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    before = open_files()
    for _ in range(20):
        with socket.create_connection(house.door.address, WAIT_SECONDS) as connection:
            connection.sendall(start + body)
    wait_for(lambda: open_files() <= before)
    assert len(house.studio.edits) == 1


def test_the_next_request_on_the_same_connection(house: House) -> None:
    with socket.create_connection(house.door.address, WAIT_SECONDS) as connection:
        for _ in range(3):
            connection.sendall(house.raw())
            assert read_reply(connection).status == 200
    assert house.watcher.seen.count("success") == 3


# --- the model in the path ---------------------------------------------------------------

AZURE = "/openai/deployments/{}/images/edits?api-version=2025-04-01-preview"


@pytest.mark.parametrize("path", ["acc%2Fmany", "acc/many"])
@pytest.mark.parametrize("model", [None, "", "acc/many"])
def test_the_model_in_the_path(house: House, path: str, model: str | None) -> None:
    parts = [] if model is None else [text("model", model)]
    body, kind = encode(*parts, text("prompt", "x"), file("image", PNG))
    url = AZURE.format(path)
    reply = house.door.http.post(url, content=body, headers={"content-type": kind})
    assert reply.status_code == 200, reply.text
    assert house.studio.edits[0].model == "many"


def test_null_in_the_body_is_no_other_model(house: House) -> None:
    url = AZURE.format("acc%2Fopen")
    document = {"model": None, "prompt": "x", "images": [{"image_url": "https://a.test/b.png"}]}
    assert house.door.http.post(url, json=document).status_code == 200


def test_two_different_models(house: House) -> None:
    body, kind = house.form("many")
    url = AZURE.format("acc%2Fplain")
    reply = house.door.http.post(url, content=body, headers={"content-type": kind})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "model")
    assert house.studio.edits == []


def test_the_door_runs_in_another_thread(house: House) -> None:
    """What the tests above rely on when they wait for it."""
    names = []

    async def answer(edit: EditRequest) -> EditResult:
        names.append(threading.current_thread() is threading.main_thread())
        return result()

    house.studio.answer = answer
    assert house.post().status_code == 200
    assert names == [False]
