"""Gemini's streams through the front door: how they end, and what is not their end."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest

from tests.fakes.pictures import opened
from tests.fakes.replies import Answer, Events
from tests.fakes.vertex_rules import google_error
from tests.fakes.vertex_upstream import USAGE, VertexUpstream, chunk, part
from tests.providers.vertex_accounts import GEMINI, PNG, edit

RATINGS = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}]


def stream_frames(*items: dict[str, Any] | str) -> Events:
    return Events(
        [item if isinstance(item, str) else f"data: {json.dumps(item)}\n\n" for item in items]
    )


def broken_picture() -> str:
    """An event whose picture is base64 at its ends, but not in between."""
    data = "A" * 4096 + "é" + "A" * 4098
    answer = chunk({"inlineData": {"data": data}}, finish="STOP")
    return f"data: {json.dumps(answer, ensure_ascii=False)}\n\n"


BROKEN: dict[str, tuple[Events, str]] = {
    "bare error": (
        stream_frames(
            chunk({"text": "On it."}),
            json.dumps(google_error(503, "UNAVAILABLE", "Overloaded."), indent=2),
        ),
        "Overloaded.",
    ),
    "bare error in a list": (
        stream_frames(
            chunk(part(PNG)),
            "\n" + json.dumps([google_error(500, "INTERNAL", "Broken.")], indent=1),
        ),
        "Broken.",
    ),
    "error as an event": (
        stream_frames(google_error(500, "INTERNAL", "Event broken.")),
        "Event broken.",
    ),
    "error that is no object": (stream_frames({"error": "Broken."}), "in place of a picture"),
    "no end": (stream_frames(chunk(part(PNG))), "ended before"),
    "ratings of the prompt, and no end": (
        stream_frames(chunk({"text": "On"}, promptFeedback={"safetyRatings": RATINGS})),
        "ended before",
    ),
    "nothing": (stream_frames(), "ended before"),
    "refusal": (stream_frames(chunk(finish="IMAGE_SAFETY")), "IMAGE_SAFETY"),
    "refusal in pieces": (
        stream_frames(
            chunk({"text": "I am un"}),
            chunk({"text": "able to"}),
            chunk({"text": " edit it."}),
            chunk(finish="STOP"),
        ),
        "I am unable to edit it.",
    ),
    "blocked prompt": (
        stream_frames({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": USAGE}),
        "SAFETY",
    ),
    "broken picture": (stream_frames(broken_picture()), "not base64"),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_streams_that_fail(
    sdk: openai.OpenAI, google: VertexUpstream, case: tuple[Events, str]
) -> None:
    events, words = case
    google.script(events)
    with pytest.raises(openai.APIError, match=words):
        list(edit(sdk, GEMINI, stream=True))
    assert len(google.requests) == 1


def test_a_word_is_no_error(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    """Text of the model's, and ratings of a prompt that passed, do not end a stream."""
    first = chunk({"text": "error"}, promptFeedback={"safetyRatings": RATINGS})
    google.script(stream_frames(first, chunk(part(PNG)), chunk(finish="STOP")))
    events = list(edit(sdk, GEMINI, stream=True))
    assert [event.type for event in events] == ["image_edit.completed"]
    assert opened(base64.b64decode(events[0].b64_json)).size == (32, 24)


def test_an_error_before_the_stream(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    google.script(Answer([google_error(429, "RESOURCE_EXHAUSTED", "Try again later.")], 429))
    with pytest.raises(openai.RateLimitError):
        edit(sdk, GEMINI, stream=True)
