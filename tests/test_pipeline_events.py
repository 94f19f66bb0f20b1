from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from retouch import (
    EditedImage,
    EditEvent,
    EditRequest,
    EditResult,
)
from retouch.errors import (
    ContentRejected,
    GatewayError,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
)
from retouch.media.blob import Blob
from retouch.pipeline import completed_events
from retouch.upstream.body import Base64
from tests.http.inside import (
    ANYBODY,
    RESULT,
    USAGE,
    Studio,
    configuration,
    opened,
    submission,
)
from tests.http.running import events, failing, types


async def test_the_providers_events_are_passed_on() -> None:
    found = await events(Studio())
    assert types(found) == ["image_edit.partial_image", "image_edit.completed"]
    assert isinstance(found[1], EditEvent)
    assert found[1].cost == 0.5


async def test_events_are_passed_on_one_by_one() -> None:
    studio, passed = Studio(), asyncio.Event()

    async def slow(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        await passed.wait()
        yield EditEvent(type="image_edit.completed", data=b"{}")

    studio.events = slow
    async with opened(configuration(), studio) as edits:
        stream = edits.prepare(submission("streams", stream=True), ANYBODY, "r").events()
        assert (await anext(stream)).type == "image_edit.partial_image"
        passed.set()
        assert [event.type async for event in stream] == ["image_edit.completed"]


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_a_stream_without_its_completed_event_is_an_error(number: int) -> None:
    """Whichever plugin it comes from: an edit that was cut off must not look complete."""
    studio = Studio()

    async def cut(edit: EditRequest) -> AsyncIterator[EditEvent]:
        for _ in range(number):
            yield EditEvent(type="image_edit.partial_image", data=b"{}")

    studio.events = cut
    found = await events(studio)
    assert types(found) == ["image_edit.partial_image"] * number + ["UpstreamError"]
    assert isinstance(found[-1], UpstreamError)
    assert found[-1].retry is False


async def test_an_error_in_the_middle_of_a_stream() -> None:
    studio = Studio()

    async def breaks(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        raise ContentRejected

    async def bug(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        raise KeyError

    studio.events = breaks
    assert types(await events(studio)) == ["image_edit.partial_image", "ContentRejected"]
    studio.events = bug
    assert types(await events(studio)) == ["image_edit.partial_image", "PluginBug"]


@pytest.mark.parametrize("n", [None, 1, 2])
@pytest.mark.parametrize("error", [UpstreamError, UpstreamTimeout, UpstreamInvalid])
async def test_a_connection_that_breaks_after_the_last_picture(
    n: int | None, error: type[GatewayError]
) -> None:
    """The client has all that it asked for; before that it has to learn of it."""
    studio = Studio()
    made = 0

    async def breaks(edit: EditRequest) -> AsyncIterator[EditEvent]:
        for _ in range(made):
            yield EditEvent(type="image_edit.completed", data=b"{}")
        raise error

    studio.events = breaks
    more: dict[str, Any] = {} if n is None else {"n": n}
    for made in range(3):
        found = types(await events(studio, **more))
        missing = [error.__name__] if made < (n or 1) else []
        assert found == ["image_edit.completed"] * made + missing


async def test_an_error_of_another_kind_after_the_last_picture() -> None:
    studio = Studio()

    async def bug(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.completed", data=b"{}")
        raise KeyError

    studio.events = bug
    assert types(await events(studio)) == ["image_edit.completed", "PluginBug"]


async def test_a_deadline_in_the_middle_of_a_stream() -> None:
    studio = Studio()

    async def hangs(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        await asyncio.Event().wait()

    studio.events = hangs
    found = await events(studio, limits={"total_timeout": 0.1})
    assert types(found) == ["image_edit.partial_image", "UpstreamTimeout"]


async def test_a_provider_without_streaming_gets_completed_events() -> None:
    """One per picture; usage and cost are those of the whole edit and stand on the last."""
    studio = Studio()
    found = await events(studio, model="many", n=6)
    assert [edit.stream for edit in studio.edits] == [None, None]
    assert types(found) == ["image_edit.completed"] * 6
    documents = [json.loads(event.data) for event in found if isinstance(event, EditEvent)]
    assert all(document["b64_json"] == RESULT for document in documents)
    assert all(document["type"] == "image_edit.completed" for document in documents)
    doubled = {
        "input_tokens": 60,
        "input_tokens_details": {"text_tokens": 20, "image_tokens": 40},
        "output_tokens": 80,
        "total_tokens": 140,
    }
    assert [document.get("usage") for document in documents] == [None] * 5 + [doubled]
    assert [getattr(event, "cost", None) for event in found] == [None] * 5 + [0.5]


async def test_a_streaming_provider_asked_for_more_than_one_call_makes() -> None:
    """Two streams cannot be told apart in one, so the core makes the events."""
    studio = Studio()
    found = await events(studio, n=3)
    assert [(edit.n, edit.stream) for edit in studio.edits] == [(2, None), (1, None)]
    assert types(found) == ["image_edit.completed"] * 3


async def test_pictures_come_before_the_failure_of_another_part() -> None:
    found = await events(failing(None, ContentRejected()), model="plain", n=2)
    assert types(found) == ["image_edit.completed", "ContentRejected"]


async def test_a_stream_in_a_format_that_the_core_makes_is_made_by_the_core() -> None:
    """The provider's own events would hold pictures of another format than was asked for."""
    studio = Studio()
    found = await events(studio, output_format="webp")
    assert types(found) == ["image_edit.completed"]
    assert isinstance(found[0], EditEvent)
    document = json.loads(found[0].data)
    assert document["output_format"] == "webp"
    assert document["b64_json"].startswith("UklGR")  # "RIFF"


def test_further_keys_stand_on_the_last_event() -> None:
    """As the whole answer has them; the gateway's own keys and the event's stay theirs."""
    extra = {
        "errors": [{"code": "x"}],
        "area": Base64(Blob(b"abc")),
        "type": "mine",
        "provider": "mine",
        "cost": 0,
    }
    images = (EditedImage(data="QUJD"), EditedImage(data="QUJD"))
    first, last = completed_events(EditResult(images=images, created=5, extra=extra))
    plain = {
        "type": "image_edit.completed",
        "b64_json": "QUJD",
        "created_at": 5,
        "size": "auto",
        "quality": "auto",
        "background": "auto",
        "output_format": "png",
    }
    assert json.loads(first.data) == plain
    assert json.loads(last.data) == {**plain, "errors": [{"code": "x"}], "area": "YWJj"}


def test_completed_events_say_what_is_known() -> None:
    (event,) = completed_events(
        EditResult(
            images=(EditedImage(data=Blob(b"\x00\x01\x02")),),
            created=1_795_000_000,
            size="8x8",
            quality="high",
            background="opaque",
            output_format="webp",
            usage=USAGE,
        )
    )
    assert json.loads(event.data) == {
        "type": "image_edit.completed",
        "b64_json": "AAEC",
        "created_at": 1_795_000_000,
        "size": "8x8",
        "quality": "high",
        "background": "opaque",
        "output_format": "webp",
        "usage": USAGE,
    }
    assert b"\n" not in event.data
