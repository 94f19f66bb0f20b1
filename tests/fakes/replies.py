"""What a fake provider may be told to answer, from ordinary to broken."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aiohttp import web


class Reply(Protocol):
    """One scripted answer."""

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer ``request``, or break its connection."""
        ...


@dataclass
class Gate:
    """Holds an answer back until the test says so; nothing is timed."""

    _open: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        """Let the answer go on."""
        self._open.set()

    async def passed(self) -> None:
        """Return once the gate is open."""
        while not self._open.is_set():  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.005)


@dataclass
class Answer:
    """A whole answer: a document as JSON, or ``body`` verbatim; after ``delay`` seconds."""

    document: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    delay: float = 0

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer in full."""
        await asyncio.sleep(self.delay)
        body = json.dumps(self.document).encode() if self.body is None else self.body
        headers = {"content-type": self.content_type, **self.headers}
        return web.Response(status=self.status, body=body, headers=headers)


def error(
    status: int,
    code: str | None,
    message: str = "No.",
    *,
    type: str = "invalid_request_error",
    param: str | None = None,
    headers: dict[str, str] | None = None,
    **details: Any,
) -> Answer:
    """An answer with OpenAI's error object."""
    document = {"message": message, "type": type, "param": param, "code": code, **details}
    return Answer(
        {"error": document}, status, {"x-request-id": "req_fake_error", **(headers or {})}
    )


@dataclass
class Events:
    """A server-sent event stream.

    :param frames: dictionaries become ``event``/``data`` frames, strings are sent as they
        are, a ``Gate`` is waited for.
    :param end: ``close`` ends the body properly, ``abort`` breaks the connection, ``hang``
        sends nothing more.
    """

    frames: Sequence[dict[str, Any] | str | Gate]
    end: Literal["close", "abort", "hang"] = "close"

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send the frames one by one."""
        headers = {"content-type": "text/event-stream", "x-request-id": "req_fake_stream"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for frame in self.frames:
            if isinstance(frame, Gate):
                await frame.passed()
            else:
                await response.write(as_frame(frame).encode())
        if self.end == "hang":
            await asyncio.Event().wait()
        if self.end == "abort":
            abort(request)
        return response


def as_frame(frame: dict[str, Any] | str) -> str:
    """One event as it goes over the wire."""
    if isinstance(frame, str):
        return frame
    return f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n"


@dataclass
class Reset:
    """The request is read, then the connection is reset before any answer."""

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Reset the connection."""
        abort(request)
        return web.Response()


@dataclass
class CutBody:
    """Promises more bytes than it sends, then breaks the connection."""

    body: bytes = b'{"created": 1, "data": [{"b64_json": "'

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send the beginning only."""
        headers = {"content-type": "application/json", "content-length": str(len(self.body) + 99)}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(self.body)
        abort(request, reset=False)
        return response


@dataclass
class Hang:
    """The request is read and never answered."""

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Wait until the client leaves."""
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


@dataclass
class Redirect:
    """Points elsewhere, as a hijacked or misconfigured provider would."""

    location: str
    status: int = 307

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer with a Location."""
        return web.Response(status=self.status, headers={"location": self.location})


def abort(request: web.Request, *, reset: bool = True) -> None:
    """Break the connection: with RST, or with a plain FIN after what was sent."""
    transport = request.transport
    if transport is None:
        return
    if not reset:
        transport.close()
        return
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
