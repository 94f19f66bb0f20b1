"""A streamed edit in OpenAI's events: what passes, and what ends it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from retouch.errors import (
    ContentRejected,
    GatewayError,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRefused,
)
from retouch.pricing import Price
from retouch.types import EditEvent, UpstreamResponse
from retouch.upstream.openai_wire import read_events
from tests.upstream.test_openai_wire import COST, LONG, PRICE, USAGE

PARTIAL = {"type": "image_edit.partial_image", "b64_json": LONG, "partial_image_index": 0}
COMPLETED = {"type": "image_edit.completed", "b64_json": LONG, "usage": USAGE}


def sse(*events: dict[str, Any] | bytes) -> bytes:
    return b"".join(
        event
        if isinstance(event, bytes)
        else f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        for event in events
    )


async def read(stream: bytes, price: Price = PRICE) -> tuple[list[EditEvent], GatewayError | None]:
    async def arriving() -> AsyncIterator[bytes]:
        for at in range(0, len(stream), 1000):
            yield stream[at : at + 1000]

    found: list[EditEvent] = []
    try:
        response = UpstreamResponse(status=200, stream=arriving())
        async for event in read_events(response, price):
            found.append(event)  # noqa: PERF401 - what came before the error counts
    except GatewayError as error:
        return found, error
    return found, None


async def test_events_pass_as_they_are() -> None:
    found, error = await read(sse(PARTIAL, b": keepalive\n\n", COMPLETED))
    assert error is None
    assert [(event.type, json.loads(event.data)) for event in found] == [
        ("image_edit.partial_image", PARTIAL),
        ("image_edit.completed", COMPLETED),
    ]
    assert found[0].cost is None
    assert found[1].cost == pytest.approx(COST, abs=1e-12)


async def test_events_without_a_name_and_a_final_done() -> None:
    stream = b"".join(
        b"data: " + json.dumps(event).encode() + b"\n\n" for event in (PARTIAL, COMPLETED)
    )
    found, error = await read(stream + b"data: [DONE]\n\n")
    assert error is None
    assert [event.type for event in found] == [PARTIAL["type"], COMPLETED["type"]]


async def test_a_refusal_by_moderation_keeps_its_details() -> None:
    moderation = {"moderation_stage": "output", "categories": ["sexual"]}
    inside = {"message": "No.", "code": "moderation_blocked", "moderation_details": moderation}
    event = b"event: error\ndata: " + json.dumps({"error": inside}).encode() + b"\n\n"
    found, error = await read(sse(PARTIAL, event))
    assert len(found) == 1
    assert isinstance(error, ContentRejected)
    assert (error.status, error.message, error.retry) == (400, "No.", False)
    assert error.details == {"moderation_details": moderation}


@pytest.mark.parametrize("picture", [b"", b', "b64_json": null', b', "b64_json": ""'])
async def test_a_completed_event_without_a_picture(picture: bytes) -> None:
    data = b'{"type": "image_edit.completed"' + picture + b"}"
    found, error = await read(sse(PARTIAL, b"data: " + data + b"\n\n"))
    assert len(found) == 1
    assert type(error) is UpstreamInvalid


async def test_data_on_several_lines_becomes_one() -> None:
    lines = b'data: {"type":\ndata: "image_edit.completed", "b64_json": "aGk="}\n\n'
    stream = b"event: image_edit.completed\n" + lines
    ((event,), error) = await read(stream)
    assert error is None
    assert b"\n" not in event.data
    assert json.loads(event.data) == {"type": "image_edit.completed", "b64_json": "aGk="}


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_stream_without_its_completed_event(number: int) -> None:
    for end in (b"", b"data: [DONE]\n\n", b"event: image_edit.completed\ndata: {"):
        found, error = await read(sse(*[PARTIAL] * number, end))
        assert len(found) == number
        assert type(error) is UpstreamError
        assert error.retry is False


@pytest.mark.parametrize(
    "event",
    [
        b'event: error\ndata: {"type": "error", "error": {"message": "m", "code": "c"}}\n\n',
        b'data: {"error": {"message": "m", "code": "c"}}\n\n',
        b'event: error\ndata: {"error": {"message": "m", "code": "c", "param": null}}\n\n',
    ],
)
async def test_an_error_event_ends_the_stream(event: bytes) -> None:
    found, error = await read(sse(PARTIAL, event, COMPLETED))
    assert len(found) == 1
    assert isinstance(error, UpstreamRefused)
    assert (error.message, error.code, error.retry) == ("m", "c", False)


@pytest.mark.parametrize(
    "event", [b"event: error\ndata: {}\n\n", b'data: {"type": "error", "message": "flat"}\n\n']
)
async def test_an_error_event_without_an_error_is_one_all_the_same(event: bytes) -> None:
    found, error = await read(sse(PARTIAL, event, COMPLETED))
    assert len(found) == 1
    assert isinstance(error, UpstreamError)
    assert error.retry is False


@pytest.mark.parametrize("data", [b"{", b"hello", b"[]", b'"x"', b'{"type": 5}', b"\xff"])
async def test_an_event_that_is_no_json_object(data: bytes) -> None:
    found, error = await read(sse(PARTIAL, b"data: " + data + b"\n\n", COMPLETED))
    assert len(found) == 1
    assert type(error) is UpstreamInvalid


async def test_an_event_with_a_strange_usage_passes_without_a_cost() -> None:
    ((event,), error) = await read(sse({**COMPLETED, "usage": {"input_tokens": "many"}}))
    assert error is None
    assert event.cost is None


async def test_a_completed_event_in_bad_utf_8_is_mended() -> None:
    """The SDKs read a stream as UTF-8 and would lose the picture, which is paid for."""
    data = json.dumps({**COMPLETED, "usage": {**USAGE, "note": "é NOTE"}}, ensure_ascii=False)
    bad = b"data: " + data.encode().replace(b"NOTE", b"\xff") + b"\n\n"
    ((event,), error) = await read(bad)
    assert error is None
    assert event.cost == pytest.approx(COST, abs=1e-12)
    value = json.loads(event.data.decode("utf-8"))
    assert value == {**COMPLETED, "usage": {**USAGE, "note": "é \N{REPLACEMENT CHARACTER}"}}


@pytest.mark.parametrize("usage", [None, USAGE, {"input_tokens": "many"}])
async def test_a_price_per_picture_is_that_of_every_completed_event(usage: Any) -> None:
    one = {**COMPLETED, "usage": usage}
    (found, error) = await read(sse(PARTIAL, one, one), Price(per_image=0.04))
    assert error is None
    assert [event.cost for event in found] == [None, 0.04, 0.04]
