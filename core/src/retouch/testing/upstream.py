"""A provider on a loopback socket: it records every request and answers what it was told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from aiohttp import web

from retouch.testing import wire
from retouch.testing.replies import Broken, Reply

#: What the upstream does with a request.
Answering = Callable[["Received"], Reply | Broken]


class Received:
    """One request as it came over the wire.

    :ivar path: with its query, as it stood in the request line.
    :ivar headers: names in lower case.
    :ivar left: set once the other side went away before its answer was complete.
    """

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = dict(headers)
        self.body = body
        self.left = threading.Event()

    @property
    def pictures(self) -> list[wire.Sent]:
        """The pictures that it carries."""
        return wire.pictures(self.body, self.headers.get("content-type", ""))

    @property
    def text(self) -> str:
        """Everything that was sent, for searching."""
        head = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return f"{self.method} {self.path}\n{head}\n\n{self.body.decode('latin-1')}"


class Upstream:
    """The server, in a thread of its own. ``with Upstream(...) as upstream: upstream.url``.

    :param other: answers to what is not the edit itself (tokens, for example) by path; such
        requests go to ``others``, not to ``requests``.
    """

    def __init__(self, other: Mapping[str, Reply] | None = None) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.others: list[Received] = []
        self.answer: Answering = lambda _: Reply(status=200)
        self._other = dict(other or {})
        #: Ends the silence of the answers that are held back now.
        self._released = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._thread.start()
        self._run(self._serve())

    def stop(self) -> None:
        """Cut all connections and end the thread."""
        if self._runner is not None:
            self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reset(self, answer: Answering) -> None:
        """Forget what came, cut what is held back, and answer like this from now on."""
        self.requests, self.others, self.answer = [], [], answer
        self._loop.call_soon_threadsafe(self._released.set)
        self._released = asyncio.Event()

    def wait(self, patience: float) -> Received:
        """The first request, once it has arrived in full.

        :param patience: seconds.
        """
        deadline = time.monotonic() + patience
        while not self.requests:
            assert time.monotonic() < deadline, "the edit did not arrive at the provider"
            time.sleep(0.002)
        return self.requests[0]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Only with cancellation does a handler notice that the other side has left.
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.raw_path, headers, await request.read())
        if request.path in self._other:
            self.others.append(received)
            return _plain(self._other[request.path])
        self.requests.append(received)
        try:
            return await _answer(request, self.answer(received), self._released)
        except (asyncio.CancelledError, ConnectionError):
            received.left.set()
            raise


async def _answer(
    request: web.Request, answer: Reply | Broken, released: asyncio.Event
) -> web.StreamResponse:
    if isinstance(answer, Reply) and answer.frames is None:
        return _plain(answer)
    broken = answer if isinstance(answer, Broken) else None
    reply = answer if isinstance(answer, Reply) else answer.reply
    response = web.StreamResponse()
    if reply is not None:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        if reply.frames is None:
            response.content_length = len(reply.body)
        await response.prepare(request)
        for piece in _pieces(reply, broken):
            await response.write(piece)
    if broken is None:
        await response.write_eof()
        return response
    if broken.then == "silence":
        await released.wait()
    if request.transport is not None:
        request.transport.abort()
    return response


def _pieces(reply: Reply, broken: Broken | None) -> tuple[bytes, ...]:
    if reply.frames is None:
        return (reply.body if broken is None else reply.body[: broken.sent],)
    return reply.frames if broken is None else reply.frames[: broken.sent]


def _plain(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=reply.headers, body=reply.body)
