"""Requests through the client to a server that a test makes up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from retouch.config import LimitsConfig
from retouch.errors import (
    GatewayError,
)
from retouch.types import UpstreamRequest, UpstreamResponse
from retouch.upstream.body import Body
from retouch.upstream.client import Client
from tests.upstream.raw_server import Connection, Handler, serving

HANG_SECONDS = 10
LIMITS = LimitsConfig(max_response_bytes=100_000, read_timeout=5)
BODY = Body((b'{"a":', b"1}"), "application/json")


def post(url: str, *, body: Body = BODY, stream: bool = False, **headers: str) -> UpstreamRequest:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return UpstreamRequest(method="POST", url=url, headers=sent, body=body, stream=stream)


@contextlib.asynccontextmanager
async def client(**limits: Any) -> AsyncIterator[Client]:
    made = Client(msgspec.structs.replace(LIMITS, **limits), "retouch/9.9")
    try:
        yield made
    finally:
        await made.close()


async def answer_of(handle: Handler, *, body: Body = BODY, **limits: Any) -> UpstreamResponse:
    """What one request to this server brings."""
    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(handle) as server,
        client(**limits) as out,
        out.edit() as http,
    ):
        return await http.send(post(f"{server.url}/v1", body=body))


async def failure_of(handle: Handler, *, body: Body = BODY, **limits: Any) -> GatewayError:
    """The error of one request to this server; it must have been sent once at most."""
    sent = 0

    async def counted(connection: Connection) -> None:
        nonlocal sent
        sent += 1
        await handle(connection)

    with pytest.raises(GatewayError) as failed:
        await answer_of(counted, body=body, **limits)
    assert sent == 1
    return failed.value
