"""A client that leaves takes its upstream call with it: nobody pays for an unread edit."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import openai
import pytest

from tests.fakes import multipart_form
from tests.fakes.gateway import Gateway
from tests.fakes.multipart_form import file, text
from tests.fakes.openai_rules import Edit
from tests.fakes.openai_upstream import OpenAIUpstream, partial
from tests.fakes.pictures import picture
from tests.fakes.raw_http import head
from tests.fakes.replies import Events, Hang

MODEL = "openai-main/gpt-image-2"
GOOD: dict[str, Any] = {"model": MODEL, "prompt": "x", "image": picture()}
#: The promise is one second; the rest is for a busy machine.
SOON = 5


def test_plain_edit(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(Hang())
    with pytest.raises(openai.APITimeoutError):
        client.with_options(max_retries=0, timeout=3).images.edit(**GOOD)
    assert upstream.wait_for_request().left.wait(SOON)


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelled_task(
    async_client: openai.AsyncOpenAI, upstream: OpenAIUpstream, stream: bool
) -> None:
    """Nothing has come back yet, neither an answer nor a first event."""
    upstream.script(Events([], end="hang") if stream else Hang())
    asking = asyncio.ensure_future(async_client.images.edit(**GOOD, stream=stream))
    received = await asyncio.to_thread(upstream.wait_for_request)
    assert not received.left.is_set()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(received.left.wait, SOON)


def test_in_the_middle_of_a_stream(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(Events([partial(Edit({}), 0)], end="hang"))
    stream = client.images.edit(**GOOD, stream=True, partial_images=1)
    assert next(iter(stream)).type == "image_edit.partial_image"
    received = upstream.only()
    assert not received.left.is_set()
    stream.close()
    assert received.left.wait(SOON)


def test_closed_sockets(
    client: openai.OpenAI, shared_gateway: Gateway, upstream: OpenAIUpstream
) -> None:
    """Again and again, and the gateway lives on."""
    body, content_type = multipart_form.encode(
        text("model", MODEL), text("prompt", "x"), file("image", GOOD["image"])
    )
    sent = head(
        "/v1/images/edits", {"Content-Type": content_type, "Content-Length": str(len(body))}
    )
    for number in range(1, 6):
        upstream.script(Hang())
        with socket.create_connection(shared_gateway.address) as connection:
            connection.sendall(sent + body)
            received = upstream.wait_for_request(number)
            assert not received.left.is_set()
        assert received.left.wait(SOON)
    assert client.images.edit(**GOOD).data
