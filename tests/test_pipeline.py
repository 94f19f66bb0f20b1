from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from retouch import (
    Account,
    EditEvent,
    EditRequest,
    EditResult,
    UpstreamRequest,
    hookimpl,
)
from retouch.errors import (
    GatewayError,
    InvalidRequest,
    PluginBug,
    RateLimited,
    UpstreamRefused,
)
from retouch.media.blob import Blob
from retouch.media.pictures import inspect
from tests.fakes.pictures import mask
from tests.http.inside import (
    ANYBODY,
    KEY,
    Studio,
    Watcher,
    configuration,
    opened,
    submission,
)
from tests.http.running import cancelled, events, failing, run, types


async def test_what_a_provider_gets() -> None:
    studio = Studio()
    outcome = await run(studio, metadata={"ticket": "T-1"}, user="me", seed=5, strength=1)
    (edit,) = studio.edits
    assert (edit.model, edit.prompt, edit.request_id) == ("plain", "x", "req_1")
    assert (edit.options.seed, edit.options.strength) == (5, 1.0)
    assert edit.metadata == {"ticket": "T-1"}
    assert edit.extra == {}
    assert outcome.result.cost == 0.25


async def test_extra_headers_are_added_but_never_replace_the_providers_own() -> None:
    studio = Studio()
    await run(studio, extra_headers={"X-Trace": "t-1", "ACCEPT": "image/*"})
    (request,) = studio.requests
    assert request.headers == {"Accept": "x", "x-trace": "t-1"}


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_cross_cutting_plugin_sees_success(streamed: bool) -> None:
    watcher, studio = Watcher(), Studio()
    if streamed:
        await events(studio, watcher)
    else:
        await run(studio, watcher)
    name = "acc/streams" if streamed else "acc/plain"
    assert watcher.seen == [f"begin {name}", "success"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("place", ["validate", "answer"])
async def test_a_cross_cutting_plugin_sees_errors(streamed: bool, place: str) -> None:
    watcher, studio = Watcher(), Studio()

    def check(edit: EditRequest) -> None:
        raise InvalidRequest("No.", param="prompt")

    async def answer(edit: EditRequest) -> EditResult:
        raise InvalidRequest("No.", param="prompt")

    if place == "validate":
        studio.check = check
    else:
        studio.answer = answer
    if streamed:
        assert types(await events(studio, watcher, model="plain")) == ["InvalidRequest"]
    else:
        with pytest.raises(InvalidRequest):
            await run(studio, watcher)
    assert watcher.seen == ["begin acc/plain", "InvalidRequest"]


async def test_a_cross_cutting_plugin_sees_errors_in_their_final_form() -> None:
    """A bug of the provider and a missed deadline are ``GatewayError``s by then."""

    async def bug(edit: EditRequest) -> EditResult:
        raise KeyError("oops")

    async def hang(edit: EditRequest) -> EditResult:
        await asyncio.Event().wait()
        raise AssertionError

    for answer, name in ((bug, "PluginBug"), (hang, "UpstreamTimeout")):
        watcher, studio = Watcher(), Studio()
        studio.answer = answer
        with pytest.raises(GatewayError):
            await run(studio, watcher, limits={"total_timeout": 0.1})
        assert watcher.seen == ["begin acc/plain", name]


@pytest.mark.parametrize("model", ["plain", "streams"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_cross_cutting_plugin_sees_cancellation(streamed: bool, model: str) -> None:
    watcher, studio, started = Watcher(), Studio(), asyncio.Event()

    async def hang(edit: EditRequest) -> EditResult:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def hanging(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        started.set()
        await asyncio.Event().wait()

    studio.answer, studio.events = hang, hanging
    async with opened(configuration(), studio, watcher) as edits:
        given = submission(model, stream=True) if streamed else submission(model)
        await cancelled(edits.prepare(given, ANYBODY, "r"), started, streamed)
    assert watcher.seen == [f"begin acc/{model}", "CancelledError"]


class Quota:
    """A cross-cutting plugin that refuses."""

    @hookimpl
    def around_edit(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self._refuse()

    @contextlib.asynccontextmanager
    async def _refuse(self) -> AsyncIterator[None]:
        raise RateLimited("Enough for today.", headers={"retry-after": "60"})
        yield


async def test_a_cross_cutting_plugin_may_refuse() -> None:
    studio = Studio()
    checked: list[EditRequest] = []
    studio.check = checked.append
    with pytest.raises(RateLimited) as refused:
        await run(studio, Quota())
    assert refused.value.headers == {"retry-after": "60"}
    assert (checked, studio.edits) == ([], [])


class Strict:
    """A cross-cutting plugin with a rule of its own."""

    @hookimpl
    def validate(self, edit: EditRequest) -> None:
        if edit.user is None:
            raise InvalidRequest("Say who asks.", param="user")


async def test_every_validator_runs() -> None:
    studio = Studio()
    with pytest.raises(InvalidRequest) as refused:
        await run(studio, Strict())
    assert refused.value.param == "user"
    assert studio.edits == []
    assert (await run(studio, Strict(), user="me")).result.images


async def test_masks_and_transparency_are_converted_off_the_event_loop() -> None:
    threads = []

    class Threads(Studio):
        @hookimpl
        def translate_request(self, edit: EditRequest, account: Account) -> UpstreamRequest:
            threads.append(threading.current_thread() is threading.main_thread())
            return UpstreamRequest(method="POST", url="studio:", context=edit)

    given = submission("rich")
    given.mask = inspect(Blob(mask(8, 8)), param="mask")
    async with opened(configuration(), Threads()) as edits:
        await edits.prepare(given, ANYBODY, "r").run()
        await edits.prepare(submission("rich"), ANYBODY, "r").run()
        given.images, given.mask = (inspect(Blob(mask(8, 8))),), None
        await edits.prepare(given, ANYBODY, "r").run()
    assert threads == [False, True, False]


async def test_secrets_are_taken_out_of_what_a_provider_says() -> None:
    echo = f"Bad key {KEY}, really {KEY}."
    with pytest.raises(UpstreamRefused) as refused:
        await run(failing(UpstreamRefused(400, echo)))
    assert refused.value.message == "Bad key ***, really ***."

    outcome = await run(failing(UpstreamRefused(400, echo), None), n=2)
    assert [failure.message for failure in outcome.failures] == ["Bad key ***, really ***."]

    *_, last = await events(failing(UpstreamRefused(400, echo), None), model="plain", n=2)
    assert isinstance(last, UpstreamRefused)
    assert last.message == "Bad key ***, really ***."


async def test_only_known_response_headers_pass() -> None:
    studio = Studio()
    studio.headers = {
        "x-request-id": "req_up",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
        "x-ratelimit-remaining-images": "4",
        "set-cookie": "a=b",
        "server": "up",
        "openai-organization": "org",
        "content-type": "image/png",
        "location": "https://elsewhere.test",
        "x-should-retry": "true",
    }
    outcome = await run(studio)
    assert outcome.headers == {
        "x-request-id": "req_up",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
        "x-ratelimit-remaining-images": "4",
    }


@pytest.mark.parametrize(
    "value",
    ["\N{HIRAGANA LETTER A}", "\udcff", "a\r\nx: y", "a\0b", "\N{LATIN SMALL LETTER E}" * 9000],
)
async def test_header_values_that_no_client_could_get_are_left_out(value: str) -> None:
    """An edit that was paid for must not be lost because of a header."""
    studio = Studio()
    studio.headers = {"x-request-id": value, "x-ratelimit-limit-images": value}
    assert (await run(studio)).headers == {}


async def test_a_provider_that_returns_nothing_is_a_bug() -> None:
    studio = Studio()

    async def nothing(edit: EditRequest) -> Any:
        return None

    studio.answer = nothing
    with pytest.raises(PluginBug) as bug:
        await run(studio)
    assert (bug.value.status, bug.value.retry) == (500, False)
