"""A small HTTP server in a thread of its own, for the fakes of AWS's services."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web


@dataclass
class Received:
    """One request as it came over the wire; ``path`` is raw, as it stood in the request line."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)
    document: Any = None
    refused: str = ""


class AwsServer:
    """``with ...Server() as server: ... server.url ...``; derive and write ``answer``."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Received] = []
        #: Exceptions of the fake itself; a test that ends with one has proved nothing.
        self.faults: list[BaseException] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    async def answer(self, received: Received, request: web.Request) -> web.StreamResponse:
        """What the service answers."""
        raise NotImplementedError

    def only(self) -> Received:
        """The single request that came."""
        assert len(self.requests) == 1, f"{len(self.requests)} requests: {self.requests}"
        return self.requests[0]

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._serve())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.raw_path, headers)
        self.requests.append(received)
        received.body = await request.read()
        try:
            return await self.answer(received, request)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as fault:
            self.faults.append(fault)
            raise
