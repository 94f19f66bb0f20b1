"""A client that leaves takes its upstream call with it: nobody pays for an unread edit."""

from __future__ import annotations

import socket
import time
from typing import Any

import openai
import pytest

from tests.fakes import multipart_form
from tests.fakes.gateway import Gateway
from tests.fakes.multipart_form import file, text
from tests.fakes.openai_rules import Edit
from tests.fakes.openai_upstream import OpenAIUpstream, partial
from tests.fakes.pictures import picture
from tests.fakes.replies import Events, Hang

MODEL = "openai-main/gpt-image-2"
GOOD: dict[str, Any] = {"model": MODEL, "prompt": "x", "image": picture()}
#: The promise is one second; the rest is for a busy machine.
SOON = 5


def test_plain_edit(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(Hang())
    with pytest.raises(openai.APITimeoutError):
        client.with_options(max_retries=0, timeout=0.5).images.edit(**GOOD)
    assert upstream.wait_for_request().left.wait(SOON)


async def test_plain_edit_async(async_client: openai.AsyncOpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(Hang())
    with pytest.raises(openai.APITimeoutError):
        await async_client.with_options(max_retries=0, timeout=0.5).images.edit(**GOOD)
    assert upstream.wait_for_request().left.wait(SOON)


def test_socket_closed(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    upstream.script(Hang())
    body, content_type = multipart_form.encode(
        text("model", MODEL), text("prompt", "x"), file("image", GOOD["image"])
    )
    head = (
        "POST /v1/images/edits HTTP/1.1\r\nHost: a\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(shared_gateway.address) as connection:
        connection.sendall(head.encode() + body)
        received = upstream.wait_for_request()
        assert not received.left.is_set()
    assert received.left.wait(SOON)


def test_before_the_first_event(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(Events([], end="hang"))
    quick = client.with_options(max_retries=0, timeout=0.5)
    with pytest.raises((openai.APITimeoutError, openai.APIConnectionError)):
        list(quick.images.edit(**GOOD, stream=True))
    assert upstream.wait_for_request().left.wait(SOON)


def test_in_the_middle_of_a_stream(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    upstream.script(Events([partial(Edit({}), 0)], end="hang"))
    stream = client.images.edit(**GOOD, stream=True, partial_images=1)
    assert next(iter(stream)).type == "image_edit.partial_image"
    received = upstream.only()
    assert not received.left.is_set()
    stream.close()
    assert received.left.wait(SOON)


def test_the_gateway_lives_on(client: openai.OpenAI, upstream: OpenAIUpstream) -> None:
    quick = client.with_options(max_retries=0, timeout=0.2)
    for _ in range(5):
        upstream.script(Hang())
        with pytest.raises(openai.APITimeoutError):
            quick.images.edit(**GOOD)
    assert client.images.edit(**GOOD).data
    deadline = time.monotonic() + SOON
    while sum(item.left.is_set() for item in upstream.requests) < 5:
        assert time.monotonic() < deadline, "an upstream call outlived its client"
        time.sleep(0.02)
