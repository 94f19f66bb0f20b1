"""A small HTTP server in a thread of its own, for the fakes of AWS's services."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.server import FakeServer


@dataclass
class Received:
    """One request as it came over the wire; ``path`` is raw, as it stood in the request line."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)
    document: Any = None
    refused: str = ""


class AwsServer(FakeServer):
    """``with ...Server() as server: ... server.url ...``; derive and write ``answer``."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Received] = []

    async def answer(self, received: Received, request: web.Request) -> web.StreamResponse:
        """What the service answers."""
        raise NotImplementedError

    def only(self) -> Received:
        """The single request that came."""
        assert len(self.requests) == 1, f"{len(self.requests)} requests: {self.requests}"
        return self.requests[0]

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Every path is the service's."""
        router.add_route("*", "/{path:.*}", self._handle)

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
