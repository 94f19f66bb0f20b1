from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from retouch import (
    Account,
    EditEvent,
    EditRequest,
    EditResult,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from retouch.dispatch import ProviderHooks
from retouch.errors import GatewayError, InvalidRequest, PluginBug
from tests.http.inside import Settings, Studio, Watcher, loaded

EDIT = EditRequest(model="plain", prompt="x", images=())
ACCOUNT = Account(name="acc", provider="studio", settings=Settings())
REQUEST = UpstreamRequest(method="POST", url="studio:", context=EDIT)
ANSWER = UpstreamResponse(status=200, context=EditResult(images=()))
STREAM = UpstreamResponse(status=200)
HTTP: Any = None


def hooks(*modules: Any) -> ProviderHooks:
    return loaded(*modules).hooks("studio")


class Wrong:
    """A provider whose hooks return, or raise, whatever the test says."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def give(self) -> Any:
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    @hookimpl
    def provider_info(self) -> Any:
        return Studio().provider_info()

    @hookimpl
    def validate(self) -> Any:
        return self.give()

    @hookimpl
    def translate_request(self) -> Any:
        return self.give()

    @hookimpl
    async def call(self) -> Any:
        return self.give()

    @hookimpl
    def translate_response(self) -> Any:
        return self.give()

    @hookimpl
    async def translate_stream(self) -> AsyncIterator[Any]:
        yield self.give()

    @hookimpl
    def around_edit(self) -> Any:
        return self.give()


async def use(hook: str, provider: ProviderHooks) -> Any:
    """One use of this hook as the pipeline uses it."""
    if hook == "call":
        return await provider.call(REQUEST, ACCOUNT, HTTP)
    if hook == "translate_stream":
        return [event async for event in provider.translate_stream(STREAM, EDIT, ACCOUNT)]
    first = {"translate_response": (ANSWER,)}.get(hook, ())
    return getattr(provider, hook)(*first, EDIT, ACCOUNT)


ASYNC_HOOKS = ("call", "translate_stream")
HOOKS = ("validate", "translate_request", "translate_response", "around_edit", *ASYNC_HOOKS)


async def test_every_hook_reaches_its_implementation() -> None:
    studio, watcher = Studio(), Watcher()
    provider = hooks(studio, watcher)
    assert provider.streams
    provider.validate(EDIT, ACCOUNT)
    assert provider.translate_request(EDIT, ACCOUNT).context is EDIT
    response = await provider.call(REQUEST, ACCOUNT, HTTP)
    assert provider.translate_response(response, EDIT, ACCOUNT).cost == 0.25
    events = await use("translate_stream", provider)
    assert [event.type for event in events][-1] == "image_edit.completed"
    (manager,) = provider.around_edit(EDIT, ACCOUNT)
    async with manager:
        assert watcher.seen == ["begin acc/plain"]
    assert watcher.seen[-1] == "success"


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    "error", [ValueError("detail"), KeyError("detail"), TimeoutError(), OSError(), RecursionError()]
)
async def test_whatever_a_plugin_raises_is_a_bug_of_the_plugin(
    hook: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(PluginBug) as bug:
        await use(hook, hooks(Wrong(error)))
    assert bug.value.message == PluginBug.default_message
    assert bug.value.retry is False
    assert bug.value.__cause__ is error
    (record,) = caplog.records
    assert record.getMessage() == f"plugin `studio` failed in {hook}"
    assert record.exc_info is not None


@pytest.mark.parametrize("hook", HOOKS)
async def test_a_gateway_error_is_the_plugins_own_word(hook: str) -> None:
    error = InvalidRequest("No.", param="prompt")
    with pytest.raises(InvalidRequest) as refused:
        await use(hook, hooks(Wrong(error)))
    assert refused.value is error


@pytest.mark.parametrize("hook", HOOKS)
async def test_cancellation_passes(hook: str) -> None:
    with pytest.raises(asyncio.CancelledError):
        await use(hook, hooks(Wrong(asyncio.CancelledError())))


@pytest.mark.parametrize(
    "hook", ["translate_request", "call", "translate_response", "translate_stream"]
)
@pytest.mark.parametrize("value", [None, 5, {}, "text", (ANSWER,)])
async def test_a_result_of_the_wrong_kind_is_a_bug(hook: str, value: Any) -> None:
    with pytest.raises(PluginBug):
        await use(hook, hooks(Wrong(value)))


async def test_a_provider_without_the_hooks_it_needs() -> None:
    class Empty:
        @hookimpl
        def provider_info(self) -> Any:
            return Studio().provider_info()

    provider = hooks(Empty())
    assert not provider.streams
    provider.validate(EDIT, ACCOUNT)
    assert provider.around_edit(EDIT, ACCOUNT) == []
    for hook in ("translate_request", "translate_response"):
        with pytest.raises(PluginBug):
            await use(hook, provider)


async def test_without_a_call_of_its_own_the_core_sends() -> None:
    class Silent(Studio):
        call = None  # type: ignore[assignment]

    sent = []

    class Out:
        remaining = 1.0

        async def send(self, request: UpstreamRequest) -> UpstreamResponse:
            sent.append(request)
            return ANSWER

    assert await hooks(Silent()).call(REQUEST, ACCOUNT, Out()) is ANSWER
    assert sent == [REQUEST]


async def test_of_several_around_edits_all_are_entered() -> None:
    first, second = Watcher(), Watcher()
    managers = hooks(Studio(), first, second).around_edit(EDIT, ACCOUNT)
    async with contextlib.AsyncExitStack() as stack:
        for manager in managers:
            await stack.enter_async_context(manager)
    assert first.seen == second.seen == ["begin acc/plain", "success"]


async def test_a_stream_that_is_not_read_to_its_end_is_closed() -> None:
    """Before the edit ends, so that a plugin can still use what it was given."""
    closed = []

    class Counts(Studio):
        @hookimpl
        async def translate_stream(
            self, response: UpstreamResponse, edit: EditRequest
        ) -> AsyncIterator[EditEvent]:
            try:
                while True:
                    yield EditEvent(type="image_edit.partial_image", data=b"{}")
            finally:
                await asyncio.sleep(0)
                closed.append(edit)

    stream = hooks(Counts()).translate_stream(STREAM, EDIT, ACCOUNT)
    await anext(stream)
    await stream.aclose()
    assert closed == [EDIT]


async def test_any_async_iterator_is_a_stream() -> None:
    class Once:
        left = 1

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> EditEvent:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return EditEvent(type="image_edit.completed", data=b"{}")

    class Iterates(Studio):
        @hookimpl
        def translate_stream(self, response: UpstreamResponse, edit: EditRequest) -> Any:
            return Once()

    (event,) = await use("translate_stream", hooks(Iterates()))
    assert event.type == "image_edit.completed"


def test_errors_of_plugins_are_gateway_errors() -> None:
    assert issubclass(PluginBug, GatewayError)
