"""Streamed edits: events as they arrive, and no stream that ends in silence."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import openai
import pytest

from tests.fakes import multipart_form
from tests.fakes.gateway import PRIVATE_PROMPT, Gateway, StartGateway, openai_account
from tests.fakes.multipart_form import file, text
from tests.fakes.openai_rules import Edit
from tests.fakes.openai_upstream import CREATED, USAGE, OpenAIUpstream, completed, partial, result
from tests.fakes.pictures import mask, opened, picture
from tests.fakes.replies import Answer, CutBody, Events, Gate, Reset, as_frame, error

MODEL = "openai-main/gpt-image-2"
PNG = picture()
GOOD: dict[str, Any] = {
    "model": MODEL,
    "prompt": PRIVATE_PROMPT,
    "image": PNG,
    "stream": True,
}
PARTIAL, COMPLETED = partial(Edit({}), 0), completed(Edit({}))


def test_events_reach_the_client(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    events = list(client.images.edit(**GOOD, partial_images=2, output_format="webp"))
    assert [event.type for event in events] == [
        "image_edit.partial_image",
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    assert [getattr(event, "partial_image_index", None) for event in events] == [0, 1, None]
    assert events[0].b64_json == result(Edit({"output_format": "webp"}), 0)
    assert events[1].b64_json == result(Edit({"output_format": "webp"}), 1)
    last = events[-1]
    assert last.type == "image_edit.completed"
    assert opened(base64.b64decode(last.b64_json)).format == "WEBP"
    assert (last.created_at, last.output_format) == (CREATED, "webp")
    assert last.usage.to_dict() == USAGE
    assert last.model_extra is not None
    assert last.model_extra["cost"] == pytest.approx(0.016081, abs=1e-9)
    fields = upstream.only().fields
    assert (fields["stream"], fields["partial_images"]) == ("true", "2")


async def test_events_reach_the_async_client(
    async_client: openai.AsyncOpenAI, upstream: OpenAIUpstream
) -> None:
    stream = await async_client.images.edit(**GOOD, partial_images=1)
    types = [event.type async for event in stream]
    assert types == ["image_edit.partial_image", "image_edit.completed"]


def test_events_are_not_collected(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    """The provider sends the second event only after the client has the first."""
    gate = Gate()
    upstream.script(Events([PARTIAL, gate, COMPLETED]))
    stream = iter(client.images.edit(**GOOD, partial_images=1))
    assert next(stream).type == "image_edit.partial_image"
    gate.open()
    assert [event.type for event in stream] == ["image_edit.completed"]


def test_large_events_pass(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    """A 4K picture is many megabytes of base64 on one line."""
    large = "QUJD" * 2_000_000
    upstream.script(Events([COMPLETED | {"b64_json": large}]))
    (event,) = client.images.edit(**GOOD)
    assert event.b64_json == large


FRAMINGS: dict[str, list[dict[str, Any] | str]] = {
    "comments": [": keepalive\n\n", PARTIAL, ":\n\n", COMPLETED],
    "DONE": [PARTIAL, COMPLETED, "data: [DONE]\n\n"],
    "no event lines": [f"data: {json.dumps(frame)}\n\n" for frame in (PARTIAL, COMPLETED)],
    "CRLF": [as_frame(frame).replace("\n", "\r\n") for frame in (PARTIAL, COMPLETED)],
    "split frames": [*as_frame(PARTIAL), as_frame(COMPLETED)[:30], as_frame(COMPLETED)[30:]],
    "several data lines": [
        "event: image_edit.partial_image\ndata: "
        + json.dumps(PARTIAL, indent=1).replace("\n", "\ndata: ")
        + "\n\n",
        COMPLETED,
    ],
    "ids and retries": ["id: 7\nretry: 100\n" + as_frame(PARTIAL), COMPLETED],
    "unknown event": [PARTIAL, {"type": "image_edit.queued"}, COMPLETED],
}


@pytest.mark.parametrize("frames", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_framings(
    client: openai.OpenAI, upstream: OpenAIUpstream, frames: list[dict[str, Any] | str]
) -> None:
    """All that server-sent events allow comes out as the two events that it means."""
    upstream.script(Events(frames))
    events = [
        event
        for event in client.images.edit(**GOOD, partial_images=1)
        if event.type in ("image_edit.partial_image", "image_edit.completed")
    ]
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert [event.b64_json for event in events] == [PARTIAL["b64_json"], COMPLETED["b64_json"]]


def raw_stream(gateway: Gateway, **fields: str) -> tuple[dict[str, str], str]:
    """Status, headers and text of a streamed answer, read without an SDK."""
    parts = {"model": MODEL, "prompt": "x", "stream": "true", **fields}
    body, content_type = multipart_form.encode(
        *(text(name, value) for name, value in parts.items()), file("image", PNG)
    )
    answer = httpx2.post(
        f"{gateway.v1}/images/edits",
        content=body,
        headers={"content-type": content_type, "accept": "application/json"},
    )
    assert answer.status_code == 200
    return dict(answer.headers), answer.text


def test_the_wire(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    headers, body = raw_stream(shared_gateway, partial_images="1")
    assert headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"]
    frames = [frame for frame in body.split("\n\n") if frame and not frame.startswith(":")]
    assert [frame.split("\n")[0] for frame in frames] == [
        "event: image_edit.partial_image",
        "event: image_edit.completed",
    ]
    for frame in frames:
        event, data = frame.split("\n")
        assert json.loads(data.removeprefix("data: "))["type"] == event.removeprefix("event: ")
    assert "[DONE]" not in body


def test_false_is_not_a_stream(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    assert client.images.edit(**GOOD | {"stream": False}).data
    assert upstream.only().fields.get("stream", "false") == "false"


def test_heartbeats_are_comments(gateway: StartGateway, upstream: OpenAIUpstream) -> None:
    """While the provider thinks, comments keep proxies awake; SDKs do not see them."""
    gate = Gate()
    upstream.script(Events([gate, COMPLETED]))
    running = gateway(openai_account(upstream.base_url) + "[limits]\nheartbeat = 0.05\n")
    body, content_type = multipart_form.encode(
        text("model", MODEL), text("prompt", "x"), text("stream", "true"), file("image", PNG)
    )
    with httpx2.stream(
        "POST",
        f"{running.v1}/images/edits",
        content=body,
        headers={"content-type": content_type},
    ) as answer:
        lines = answer.iter_lines()
        first = next(line for line in lines if line)
        gate.open()
        rest = [line for line in lines if line and not line.startswith(":")]
    assert first.startswith(":")
    assert rest[0] == "event: image_edit.completed"


# Streams that fail ---------------------------------------------------------------------------

BROKEN: dict[str, Events | Answer | CutBody] = {
    "no completed event": Events([PARTIAL]),
    "nothing at all": Events([]),
    "only DONE": Events([PARTIAL, "data: [DONE]\n\n"]),
    "broken between frames": Events([PARTIAL], end="abort"),
    "broken in a frame": Events([PARTIAL, as_frame(COMPLETED)[:80]], end="abort"),
    "ended in a frame": Events([PARTIAL, as_frame(COMPLETED)[:80]]),
    "ended before the blank line": Events([PARTIAL, as_frame(COMPLETED)[:80] + "\n"]),
    "not JSON": Events([PARTIAL, "event: image_edit.completed\ndata: hello\n\n"]),
    "HTML": Answer(body=b"<html>", content_type="text/html"),
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN.keys())
def test_a_stream_without_its_end_is_an_error(
    client: openai.OpenAI, upstream: OpenAIUpstream, reply: Any
) -> None:
    """The SDK raises ``APIError``, whether before the first event or after it."""
    upstream.script(reply)
    seen = []
    with pytest.raises(openai.APIError) as caught:
        seen += [event.type for event in client.images.edit(**GOOD, partial_images=1)]
    assert not isinstance(caught.value, openai.APIConnectionError)
    assert caught.value.type == "upstream_error"
    assert caught.value.code
    assert "image_edit.completed" not in seen
    upstream.only()


def test_the_event_before_a_break_still_arrives(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    upstream.script(Events([PARTIAL], end="abort"))
    stream = iter(client.images.edit(**GOOD, partial_images=1))
    assert next(stream).type == "image_edit.partial_image"
    with pytest.raises(openai.APIError):
        next(stream)


@pytest.mark.parametrize("nested", [True, False])
def test_an_error_of_the_provider_in_the_stream(
    client: openai.OpenAI, upstream: OpenAIUpstream, nested: bool
) -> None:
    """OpenAI-compatible servers send it nested or flat; the SDK raises only for nested."""
    said = {"message": "Refused.", "code": "moderation_blocked", "param": None}
    frame = {"type": "error", "error": {**said, "type": "image_generation_user_error"}}
    upstream.script(Events([PARTIAL, frame if nested else {**said, "type": "error"}]))
    with pytest.raises(openai.APIError) as caught:
        list(client.images.edit(**GOOD, partial_images=1))
    assert caught.value.code == "moderation_blocked"
    assert "Refused." in caught.value.message


def test_an_error_before_the_stream_is_plain_http(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    upstream.script(error(400, "moderation_blocked", type="image_generation_user_error"))
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.edit(**GOOD)
    assert caught.value.code == "moderation_blocked"
    assert caught.value.response.headers["content-type"].startswith("application/json")


def test_a_reset_before_the_stream_is_never_repeated(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    upstream.script(Reset())
    with pytest.raises(openai.APIError):
        list(client.images.edit(**GOOD))
    upstream.only()


@pytest.mark.parametrize("rest", ["", as_frame(COMPLETED)[:80]])
def test_a_connection_that_breaks_after_the_picture(
    client: openai.OpenAI, upstream: OpenAIUpstream, rest: str
) -> None:
    """The client has what it asked for; with ``n`` of 2 it has not, and learns of it."""
    upstream.script(*[Events([PARTIAL, COMPLETED, rest], end="abort")] * 2)
    events = list(client.images.edit(**GOOD))
    assert [event.type for event in events] == [PARTIAL["type"], COMPLETED["type"]]
    with pytest.raises(openai.APIError):
        list(client.images.edit(**GOOD, n=2))


def test_a_price_per_picture_of_ones_own(gateway: StartGateway, upstream: OpenAIUpstream) -> None:
    more = '[accounts.openai-main.models."gpt-image-2"]\nprice = { per_image = 0.04 }\n'
    running = gateway(openai_account(upstream.base_url, more=more))
    with openai.OpenAI(base_url=running.v1, api_key="unused") as sdk:
        whole: Any = sdk.images.edit(**{**GOOD, "stream": False, "n": 2})
        (event,) = sdk.images.edit(**GOOD)
    assert (len(whole.data), whole.cost) == (2, 0.08)
    assert event.model_extra["cost"] == 0.04


def test_an_answer_that_is_not_streamed_is_not_lost(
    client: openai.OpenAI, upstream: OpenAIUpstream
) -> None:
    """Given plain JSON for ``stream=True`` the SDK itself would yield nothing and say nothing."""
    upstream.script(
        Answer({"created": CREATED, "data": [{"b64_json": result(Edit({}))}], "usage": USAGE})
    )
    (event,) = client.images.edit(**GOOD)
    assert (event.type, event.b64_json) == ("image_edit.completed", result(Edit({})))


def test_a_provider_without_streaming(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    image = picture(48, 48)
    (event,) = client.images.edit(
        model="local/inpaint",
        prompt="x",
        image=image,
        mask=mask(48, 48),
        stream=True,
        partial_images=2,
    )
    assert event.type == "image_edit.completed"
    assert opened(base64.b64decode(event.b64_json)).size == (48, 48)
    assert (event.output_format, event.size) == ("png", "48x48")
    assert event.created_at > 1_700_000_000
