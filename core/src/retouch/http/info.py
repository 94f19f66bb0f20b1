"""What the gateway says about itself: health, models, its OpenAPI description."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from retouch.http.answers import send_json
from retouch.http.auth import Keys
from retouch.http.openapi import document
from retouch.models import ModelInfo
from retouch.routing import Caller, Routes, Target


class InfoEndpoints:
    """The GET endpoints. Models need a key as edits do; health and the description do not."""

    def __init__(self, routes: Routes, keys: Keys) -> None:
        self._routes = routes
        self._keys = keys
        self._started = int(time.time())

    def table(self) -> list[BaseRoute]:
        """The routes of these endpoints."""
        return [
            Route("/healthz", _constant({"status": "ok"}), methods=["GET"]),
            Route("/readyz", _constant({"status": "ready"}), methods=["GET"]),
            Route("/openapi.json", _constant(document()), methods=["GET"]),
            Route("/v1/models", self._listing(self._model), methods=["GET"]),
            Route("/v1/images/models", self._listing(self._descriptor), methods=["GET"]),
        ]

    def _listing(self, describe: Any) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            caller: Caller = self._keys.caller(scope)
            data = [describe(*entry) for entry in self._routes.models(caller)]
            await send_json(send, 200, {"object": "list", "data": data})

        return _Endpoint(app)

    def _model(self, name: str, target: Target, model: ModelInfo) -> dict[str, Any]:
        """OpenAI's model object."""
        return {
            "id": name,
            "object": "model",
            "created": self._started,
            "owned_by": target.account.provider,
            "shutdown_date": model.shutdown,
        }

    def _descriptor(self, name: str, target: Target, model: ModelInfo) -> dict[str, Any]:
        """The same with the model's capabilities, options and price."""
        options = target.info.options
        return {
            **self._model(name, target, model),
            "capabilities": msgspec.to_builtins(model.capabilities),
            "price": msgspec.to_builtins(model.price),
            "options": None if options is None else msgspec.json.schema(options),
        }


class _Endpoint:
    """Starlette calls functions with a request object; an instance it takes for ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _constant(value: dict[str, Any]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, 200, value)

    return _Endpoint(app)
