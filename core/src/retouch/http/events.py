"""A streamed edit as ``text/event-stream``.

Until the first event is known an error is still a plain HTTP answer; if the provider takes
long, the stream is opened and kept alive with comments, and errors become ``error`` events
(their ``error`` object nested, as the OpenAI SDKs need it to raise).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.types import Send

from retouch._tasks import cancel, spawn
from retouch.errors import GatewayError
from retouch.http.answers import dropped_header
from retouch.pipeline import COMPLETED, Prepared
from retouch.types import EditEvent

log = logging.getLogger("retouch.http")

STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
}
HEARTBEAT = b": heartbeat\n\n"


class _Silence:
    """Nothing came for a while."""


class _End:
    """The edit is complete."""


Item = EditEvent | GatewayError | _Silence | _End


async def send_events(
    send: Send, prepared: Prepared, headers: dict[str, str], heartbeat: float
) -> float | None:
    """Run the edit and send its events; returns the cost, if one was told.

    :param heartbeat: seconds of silence after which a comment is sent.
    :raises GatewayError: while nothing has been sent yet.
    """
    provider = prepared.route.target.account.provider
    async with _produced(prepared) as queue:
        item = await _next(queue, heartbeat)
        if isinstance(item, GatewayError):
            raise item
        merged = {**headers, **prepared.headers, **dropped_header(prepared), **STREAM_HEADERS}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in merged.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        cost: float | None = None
        while not isinstance(item, _End):
            if isinstance(item, GatewayError):
                await _send(send, error_event(item))
                break
            if isinstance(item, EditEvent):
                cost = item.cost if item.cost is not None else cost
                await _send(send, *frame(item, provider))
            else:
                await _send(send, HEARTBEAT)
            item = await _next(queue, heartbeat)
        await send({"type": "http.response.body", "body": b""})
        return cost


def frame(event: EditEvent, provider: str) -> tuple[bytes | memoryview, ...]:
    """One event as it goes on the wire; a completed one also says ``provider`` and ``cost``."""
    head = b"event: " + "".join(event.type.split()).encode("ascii", "ignore") + b"\ndata: "
    data = event.data.strip()
    if b"\n" in data or b"\r" in data:  # JSON has line ends between its tokens only
        data = data.replace(b"\r", b" ").replace(b"\n", b" ")
    if event.type != COMPLETED or not data.endswith(b"}"):
        return (head, data, b"\n\n")
    more = msgspec.json.encode({"provider": provider, "cost": event.cost})
    comma = b"" if len(data) < 32 and not data[1:-1].strip() else b","
    return (head, memoryview(data)[:-1], comma + more[1:] + b"\n\n")


def error_event(error: GatewayError) -> bytes:
    """A failure after the stream has begun."""
    body = msgspec.json.encode({"type": "error", **error.to_dict()})
    return b"event: error\ndata: " + body + b"\n\n"


@asynccontextmanager
async def _produced(prepared: Prepared) -> AsyncIterator[asyncio.Queue[Item]]:
    """The events, made by a task of their own, one ahead of the client.

    Deadlines belong to the task that set them, so the edit cannot run in pieces between
    heartbeats.
    """
    queue: asyncio.Queue[Item] = asyncio.Queue(maxsize=1)

    async def produce() -> None:
        try:
            events = prepared.events()
            async for event in events:
                try:
                    await queue.put(event)
                except asyncio.CancelledError as reason:
                    # The deadline has passed, or the client has left, while the client was
                    # still busy with the event before. The edit has to learn of it.
                    await events.athrow(reason)
                    raise
        except GatewayError as error:
            await queue.put(error)
        except Exception:
            log.exception("a streamed edit failed")
            await queue.put(GatewayError())
        else:
            await queue.put(_End())

    task = spawn(produce())
    try:
        yield queue
    finally:
        await cancel(task)


async def _next(queue: asyncio.Queue[Item], patience: float) -> Item:
    try:
        async with asyncio.timeout(patience):
            return await queue.get()
    except TimeoutError:
        return _Silence()


async def _send(send: Send, *pieces: bytes | memoryview) -> None:
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
