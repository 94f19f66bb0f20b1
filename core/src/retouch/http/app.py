"""The ASGI application: routes, start and stop, and one place where errors become answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import retouch
from retouch._tasks import THREADS, start_threads
from retouch.config import Config
from retouch.errors import GatewayError, InvalidRequest, MethodNotAllowed, NotFound, Unavailable
from retouch.http.access import Access
from retouch.http.answers import send_error
from retouch.http.auth import Keys
from retouch.http.edits import EditEndpoint
from retouch.http.info import InfoEndpoints
from retouch.http.intake import ClientLeft
from retouch.media.blob import closer
from retouch.pipeline import Edits
from retouch.routing import Routes
from retouch.upstream.client import Client

log = logging.getLogger("retouch.http")

#: OpenAI's path, and the spellings that other gateways' clients are set up with.
EDIT_PATHS = (
    "/v1/images/edits",
    "/images/edits",
    "/v3/images/edits",
    "/openai/v1/images/edits",
    "/openai/deployments/{model:path}/images/edits",
)


def create_app(config: Config, routes: Routes) -> ASGIApp:
    """The whole gateway as an ASGI application."""
    keys = Keys(config.keys)
    table: list[BaseRoute] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        executor = ThreadPoolExecutor(THREADS, "retouch-worker")
        start_threads(executor, THREADS)
        asyncio.get_running_loop().set_default_executor(executor)
        start_threads(closer, 1)
        client = Client(config.limits, f"retouch/{retouch.__version__}")
        endpoint = EditEndpoint(Edits(routes, client, config.limits.fan_out), keys, config.limits)
        info = InfoEndpoints(routes, keys)
        table.extend(Route(path, endpoint, methods=["POST"]) for path in EDIT_PATHS)
        table.extend(info.table())
        try:
            yield {}
        finally:
            await client.close()

    app = Starlette(lifespan=lifespan)
    app.router.redirect_slashes = False
    app.router.routes = table
    return Boundary(app)


class Boundary:
    """Outermost: gives every request its id and log line, and every failure its one shape."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._router = app.router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        access = Access(method=scope["method"], path=scope["path"])
        scope.setdefault("state", {})["access"] = access
        # With the application in the scope, Starlette's router raises its 404 and 405.
        scope["app"] = self._app

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                access.note_start(message["status"], message["headers"])
            await send(message)

        try:
            await self._router(scope, receive, noting)
        except ClientLeft:
            access.status, access.code = 499, "client_left"
        except Exception as error:
            await _answer_failure(error, access, noting)
        finally:
            access.write()


async def _answer_failure(error: Exception, access: Access, send: Send) -> None:
    failure = _as_gateway_error(error)
    access.code = failure.code
    if failure.status >= 500:
        log.error("request %s: %s", access.request_id, failure.message)
    if access.status:
        # The answer has begun; all that is left is to break it off.
        raise error
    await send_error(send, failure, {"x-request-id": access.request_id})


def _as_gateway_error(error: Exception) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, HTTPException):
        if error.status_code == 405:
            return MethodNotAllowed(
                "This endpoint does not have this method.", headers=error.headers
            )
        if error.status_code == 404:
            return NotFound("There is nothing at this path.")
        return InvalidRequest("The request is not valid.")
    if isinstance(error, OSError) and error.errno == 28:
        return Unavailable("The gateway has no room for this upload.", code="storage_full")
    log.exception("unexpected failure", exc_info=error)
    return GatewayError()
