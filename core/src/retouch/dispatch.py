"""One provider's hooks behind typed methods; nothing else in the core talks to pluggy.

A caller is built once per hook over every plugin except the other providers, so that
cross-cutting plugins run for all of them and no provider ever sees another's edit.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

import pluggy

from retouch.errors import GatewayError, PluginBug
from retouch.types import (
    Account,
    EditEvent,
    EditRequest,
    EditResult,
    Http,
    UpstreamRequest,
    UpstreamResponse,
)

T = TypeVar("T")

log = logging.getLogger("retouch.plugins")


class ProviderHooks:
    """The hooks of one provider. Every method raises ``GatewayError`` and nothing else."""

    def __init__(self, manager: pluggy.PluginManager, others: list[Any], provider: str) -> None:
        self.provider = provider

        def caller(name: str) -> pluggy.HookCaller:
            return manager.subset_hook_caller(name, remove_plugins=others)

        self._validate = caller("validate")
        self._translate_request = caller("translate_request")
        self._call = caller("call")
        self._translate_response = caller("translate_response")
        self._translate_stream = caller("translate_stream")
        self._around_edit = caller("around_edit")
        #: Whether the provider turns a streamed answer into events itself.
        self.streams = bool(self._translate_stream.get_hookimpls())

    def validate(self, edit: EditRequest, account: Account) -> None:
        """All validators run; the first refusal is raised."""
        with self._guard("validate"):
            self._validate(edit=edit, account=account)

    def translate_request(self, edit: EditRequest, account: Account) -> UpstreamRequest:
        """The provider's request for this edit."""
        with self._guard("translate_request"):
            request = self._translate_request(edit=edit, account=account)
            return _expect(request, UpstreamRequest)

    async def call(
        self, request: UpstreamRequest, account: Account, http: Http
    ) -> UpstreamResponse:
        """The provider's answer."""
        with self._guard("call"):
            response = await self._call(request=request, account=account, http=http)
            return _expect(response, UpstreamResponse)

    def translate_response(
        self, response: UpstreamResponse, edit: EditRequest, account: Account
    ) -> EditResult:
        """The answer in OpenAI's terms."""
        with self._guard("translate_response"):
            result = self._translate_response(response=response, edit=edit, account=account)
            return _expect(result, EditResult)

    async def translate_stream(
        self, response: UpstreamResponse, edit: EditRequest, account: Account
    ) -> AsyncGenerator[EditEvent, None]:
        """The answer as events, while it arrives; the plugin's generator is closed at the end."""
        with self._guard("translate_stream"):
            events = self._translate_stream(response=response, edit=edit, account=account)
            try:
                async for event in events:
                    yield _expect(event, EditEvent)
            finally:
                if hasattr(events, "aclose"):  # any other async iterator will do, too
                    await events.aclose()

    def around_edit(
        self, edit: EditRequest, account: Account
    ) -> list[AbstractAsyncContextManager[None]]:
        """The context managers of all cross-cutting plugins."""
        with self._guard("around_edit"):
            return list(self._around_edit(edit=edit, account=account))

    @contextmanager
    def _guard(self, hook: str) -> Iterator[None]:
        try:
            yield
        except GatewayError:
            raise
        except Exception as error:
            log.exception("plugin `%s` failed in %s", self.provider, hook)
            raise PluginBug from error


def _expect(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value
