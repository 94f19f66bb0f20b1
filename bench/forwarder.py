"""A bare ASGI forwarder: what Python, uvicorn and aiohttp cost before anything is looked at.

usage: forwarder.py PORT UPSTREAM_PORT
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import uvicorn

_session: aiohttp.ClientSession | None = None


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Send every POST on to the upstream while it arrives, and the answer back likewise."""
    global _session  # noqa: PLW0603  one session for the life of the process
    if scope["type"] != "http":
        return
    if scope["method"] == "GET":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    if _session is None:
        connector = aiohttp.TCPConnector(limit=0)
        _session = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def body() -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            yield message.get("body", b"")

    kept = {b"content-type", b"content-length"}
    headers = {n.decode(): v.decode() for n, v in scope["headers"] if n in kept}
    url = f"http://127.0.0.1:{sys.argv[2]}{scope['path']}"
    async with _session.post(url, data=body(), headers=headers) as answer:
        raw = [(b"content-type", b"application/json")]
        raw.append((b"content-length", answer.headers["content-length"].encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        async for piece in answer.content.iter_any():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )
