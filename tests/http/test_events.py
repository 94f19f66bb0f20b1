from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message

from retouch import EditEvent, EditRequest
from retouch.errors import ContentRejected, RateLimited, UpstreamTimeout
from retouch.http.events import error_event, frame, send_events
from tests.http.inside import ANYBODY, Studio, Watcher, configuration, opened, submission

PARTIAL, COMPLETED = "image_edit.partial_image", "image_edit.completed"
HANG_SECONDS = 10


def joined(event: EditEvent) -> bytes:
    return b"".join(bytes(piece) for piece in frame(event, "studio"))


def parsed(stream: bytes) -> list[tuple[str, Any]]:
    """Event names and documents, by the letter of the HTML standard's grammar."""
    found = []
    for block in stream.decode().split("\n\n")[:-1]:
        lines = [line.partition(": ") for line in block.split("\n") if not line.startswith(":")]
        fields = {name: value for name, _, value in lines}
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_partial_event_is_passed_on_as_it_is() -> None:
    event = EditEvent(type=PARTIAL, data=b'{"type":"image_edit.partial_image","a":[1, 2]}')
    assert joined(event) == (
        b'event: image_edit.partial_image\ndata: {"type":"image_edit.partial_image","a":[1, 2]}\n\n'
    )


@pytest.mark.parametrize("cost", [None, 0.0, 0.016081])
def test_a_completed_event_says_provider_and_cost(cost: float | None) -> None:
    data = b'{"type": "image_edit.completed", "usage": {"x": {}}} \r\n'
    ((name, document),) = parsed(joined(EditEvent(type=COMPLETED, data=data, cost=cost)))
    assert name == COMPLETED
    assert document == {"type": COMPLETED, "usage": {"x": {}}, "provider": "studio", "cost": cost}


@pytest.mark.parametrize("data", [b"{}", b"{ }", b" {\n} "])
def test_a_completed_event_without_anything_in_it(data: bytes) -> None:
    (event,) = parsed(joined(EditEvent(type=COMPLETED, data=data)))
    assert event == (COMPLETED, {"provider": "studio", "cost": None})


def test_line_ends_in_an_event_do_not_cut_it() -> None:
    data = b'{\r\n  "type": "image_edit.completed",\n  "text": "a\\nb"\r}'
    ((_, document),) = parsed(joined(EditEvent(type=COMPLETED, data=data)))
    assert document["text"] == "a\nb"
    ((_, document),) = parsed(joined(EditEvent(type=PARTIAL, data=data)))
    assert document["text"] == "a\nb"


def test_the_name_of_an_event_is_one_word() -> None:
    for name in ("a\ndata: x", "a\r\n\r\nevent: error", "\N{LINE SEPARATOR}a\x85b"):
        lines = joined(EditEvent(type=name, data=b"{}")).split(b"\n")
        assert [line.split(b":")[0] for line in lines] == [b"event", b"data", b"", b""]
        assert b"\r" not in lines[0]


def test_an_error_event_nests_its_error() -> None:
    """A flat one is handed to the user as an ordinary event by the Python SDK."""
    assert parsed(error_event(ContentRejected("No\nway.", details={"x": 1}))) == [
        (
            "error",
            {
                "type": "error",
                "error": {
                    "x": 1,
                    "message": "No\nway.",
                    "type": "image_generation_user_error",
                    "param": None,
                    "code": "moderation_blocked",
                },
            },
        )
    ]


class Wire:
    """What is sent to the client; ``pause`` is waited for before each message."""

    def __init__(self, pause: Callable[[], Awaitable[object]] | None = None) -> None:
        self.headers: dict[str, str] = {}
        self.status = 0
        self.body = b""
        self.ended = False
        self._pause = pause

    async def send(self, message: Message) -> None:
        if self._pause is not None:
            await self._pause()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += bytes(message["body"])
            self.ended = not message.get("more_body", False)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in parsed(self.body)]


async def streamed(
    wire: Wire,
    *modules: Any,
    heartbeat: float = 60,
    limits: dict[str, Any] | None = None,
    model: str = "streams",
    **fields: Any,
) -> float | None:
    async with opened(configuration(limits, drop_params=True), *modules) as edits:
        given = submission(model, stream=True, **fields)
        prepared = edits.prepare(given, ANYBODY, "req_1")
        async with asyncio.timeout(HANG_SECONDS):
            return await send_events(wire.send, prepared, {"x-request-id": "req_1"}, heartbeat)


async def test_the_answer_of_a_stream() -> None:
    wire, studio = Wire(), Studio()
    studio.headers = {"x-ratelimit-limit-images": "5", "set-cookie": "a=b"}
    cost = await streamed(wire, studio, quality="high")
    assert cost == 0.5
    assert wire.status == 200
    assert wire.headers == {
        "x-request-id": "req_1",
        "x-ratelimit-limit-images": "5",
        "x-retouch-dropped": "quality",
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
    }
    assert wire.names == [PARTIAL, COMPLETED]
    assert wire.ended


async def test_an_error_before_the_first_event_is_no_event() -> None:
    studio, wire = Studio(), Wire()

    async def refuses(edit: EditRequest) -> AsyncIterator[EditEvent]:
        raise RateLimited
        yield

    studio.events = refuses
    with pytest.raises(RateLimited):
        await streamed(wire, studio)
    assert (wire.status, wire.body) == (0, b"")


async def test_an_error_after_the_first_event_is_an_event_and_the_last() -> None:
    studio, wire = Studio(), Wire()

    async def breaks(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type=PARTIAL, data=b'{"type":"image_edit.partial_image"}')
        raise ContentRejected("Refused.")

    studio.events = breaks
    await streamed(wire, studio)
    assert wire.names == [PARTIAL, "error"]
    assert parsed(wire.body)[-1][1]["error"]["code"] == "moderation_blocked"
    assert wire.ended


async def test_heartbeats_while_nothing_comes() -> None:
    """They open the answer, and from then on an error is an event."""
    studio, wire = Studio(), Wire()
    beats = asyncio.Event()

    async def noticed() -> None:
        if wire.body.count(b": heartbeat\n\n") == 3:
            beats.set()

    async def slow(edit: EditRequest) -> AsyncIterator[EditEvent]:
        await beats.wait()
        raise ContentRejected
        yield

    wire._pause = noticed
    studio.events = slow
    await streamed(wire, studio, heartbeat=0.01)
    assert wire.status == 200
    assert wire.body.startswith(b": heartbeat\n\n" * 3)
    assert wire.names == ["error"]


async def test_a_bug_in_the_middle_is_an_error_event_without_its_text() -> None:
    studio, wire = Studio(), Wire()

    async def breaks(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type=PARTIAL, data=b"{}")
        raise ValueError("internal detail")

    studio.events = breaks
    await streamed(wire, studio)
    assert wire.names == [PARTIAL, "error"]
    assert b"internal detail" not in wire.body


async def test_the_deadline_of_an_edit_whose_client_reads_slowly() -> None:
    """The deadline passes while an event waits for the client, not for the provider."""
    studio, watcher, reading = Studio(), Watcher(), asyncio.Event()

    async def eager(edit: EditRequest) -> AsyncIterator[EditEvent]:
        while True:
            yield EditEvent(type=PARTIAL, data=b"{}")

    studio.events = eager
    wire = Wire(reading.wait)

    async def read_when_it_is_over() -> None:
        while not watcher.ended.is_set():  # noqa: ASYNC110 - it may be set in another thread
            await asyncio.sleep(0.01)
        reading.set()

    async with asyncio.timeout(HANG_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(read_when_it_is_over())
        await streamed(wire, studio, watcher, limits={"total_timeout": 0.1}, heartbeat=0.02)
    assert watcher.seen[1:] == [UpstreamTimeout.__name__]
    assert wire.names[-1] == "error"
    assert parsed(wire.body)[-1][1]["error"]["code"] == "upstream_timeout"
    assert wire.ended


async def test_a_client_that_leaves_while_an_event_waits_for_it() -> None:
    studio, watcher, full = Studio(), Watcher(), asyncio.Event()

    async def eager(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type=PARTIAL, data=b"{}")
        yield EditEvent(type=PARTIAL, data=b"{}")
        full.set()
        yield EditEvent(type=PARTIAL, data=b"{}")

    async def never() -> None:
        await asyncio.Event().wait()

    studio.events = eager
    sending = asyncio.ensure_future(streamed(Wire(never), studio, watcher))
    async with asyncio.timeout(HANG_SECONDS):
        await full.wait()
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert watcher.seen[1:] == ["CancelledError"]


async def test_no_more_than_one_event_is_held_for_a_slow_client() -> None:
    studio, reading = Studio(), asyncio.Event()
    made: list[int] = []

    async def counted(edit: EditRequest) -> AsyncIterator[EditEvent]:
        for number in range(20):
            made.append(number)
            yield EditEvent(type=PARTIAL, data=b"{}")
        yield EditEvent(type=COMPLETED, data=b"{}")

    studio.events = counted
    wire = Wire(reading.wait)
    sending = asyncio.ensure_future(streamed(wire, studio))
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(made) <= 3
    reading.set()
    await sending
    assert wire.names == [PARTIAL] * 20 + [COMPLETED]
