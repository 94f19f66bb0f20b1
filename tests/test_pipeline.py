from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from retouch import (
    Account,
    EditedImage,
    EditEvent,
    EditRequest,
    EditResult,
    UpstreamRequest,
    hookimpl,
)
from retouch.errors import (
    ContentRejected,
    GatewayError,
    InvalidRequest,
    PluginBug,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from retouch.media.blob import Blob
from retouch.media.pictures import inspect
from retouch.pipeline import Prepared, completed_events
from retouch.splitting import Outcome
from tests.fakes.pictures import mask
from tests.http.inside import (
    ANYBODY,
    KEY,
    RESULT,
    USAGE,
    Studio,
    Watcher,
    configuration,
    opened,
    result,
    submission,
)


async def run(
    *modules: Any, model: str = "plain", limits: dict[str, Any] | None = None, **fields: Any
) -> Outcome:
    async with opened(configuration(limits), *modules) as edits:
        return await edits.prepare(submission(model, **fields), ANYBODY, "req_1").run()


async def events(
    *modules: Any, model: str = "streams", limits: dict[str, Any] | None = None, **fields: Any
) -> list[EditEvent | GatewayError]:
    """The events, and last the error if there was one."""
    found: list[EditEvent | GatewayError] = []
    async with opened(configuration(limits), *modules) as edits:
        prepared = edits.prepare(submission(model, stream=True, **fields), ANYBODY, "req_1")
        try:
            async for event in prepared.events():
                found.append(event)  # noqa: PERF401 - what came before the error counts
        except GatewayError as error:
            found.append(error)
    return found


def types(found: list[EditEvent | GatewayError]) -> list[str]:
    return [item.type if isinstance(item, EditEvent) else type(item).__name__ for item in found]


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


async def cancelled(prepared: Prepared, started: asyncio.Event, streamed: bool) -> None:
    async def work() -> None:
        if streamed:
            async for _ in prepared.events():
                pass
        else:
            await prepared.run()

    task = asyncio.ensure_future(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


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


# --- n above what a model makes in one call ---------------------------------------------


async def test_n_is_split_with_seeds_that_count_up() -> None:
    studio = Studio()
    outcome = await run(studio, model="many", n=10, seed=100)
    assert sorted((edit.n, edit.options.seed) for edit in studio.edits) == [
        (2, 108),
        (4, 100),
        (4, 104),
    ]
    assert len(outcome.result.images) == 10
    assert outcome.result.cost == 0.75
    assert outcome.result.usage == {
        "input_tokens": 90,
        "input_tokens_details": {"text_tokens": 30, "image_tokens": 60},
        "output_tokens": 120,
        "total_tokens": 210,
    }
    assert outcome.failures == ()


async def test_results_of_a_split_keep_their_order() -> None:
    studio = Studio()

    async def later_first(edit: EditRequest) -> EditResult:
        seed = edit.options.seed
        while len(finished) < 2 - seed:  # noqa: ASYNC110 - three tasks take turns
            await asyncio.sleep(0)
        finished.append(seed)
        return result(images=(EditedImage(data=f"{seed}AAA"),))

    finished: list[int] = []
    studio.answer = later_first
    outcome = await run(studio, n=3, seed=0)
    assert finished == [2, 1, 0]
    assert [image.data for image in outcome.result.images] == ["0AAA", "1AAA", "2AAA"]


async def test_no_more_calls_at_once_than_allowed() -> None:
    studio = Studio()
    running = most = 0

    async def counted(edit: EditRequest) -> EditResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return result()

    studio.answer = counted
    await run(studio, n=10, limits={"fan_out": 3})
    assert (len(studio.edits), most) == (10, 3)


async def test_without_a_seed_none_is_invented() -> None:
    studio = Studio()
    await run(studio, n=2)
    assert [edit.options.seed for edit in studio.edits] == [None, None]
    assert [edit.n for edit in studio.edits] == [None, None]


def failing(*errors: GatewayError | None) -> Studio:
    """A studio whose calls fail in this order; ``None`` succeeds."""
    studio, left = Studio(), list(errors)

    async def answer(edit: EditRequest) -> EditResult:
        error = left.pop(0)
        if error is not None:
            raise error
        return result()

    studio.answer = answer
    return studio


async def test_a_part_that_fails_is_reported_and_the_rest_kept() -> None:
    studio = failing(None, ContentRejected("Refused."), None)
    outcome = await run(studio, n=3)
    assert len(outcome.result.images) == 2
    assert outcome.result.cost == 0.5
    assert [failure.code for failure in outcome.failures] == ["moderation_blocked"]


async def test_an_unknown_cost_of_one_part_makes_the_sum_unknown() -> None:
    studio = Studio()

    async def answer(edit: EditRequest) -> EditResult:
        return result(cost=None, usage=None) if edit.options.seed == 1 else result()

    studio.answer = answer
    outcome = await run(studio, n=3, seed=0)
    assert (outcome.result.cost, outcome.result.usage) == (None, None)


async def test_if_all_parts_fail_so_does_the_edit() -> None:
    with pytest.raises(ContentRejected):
        await run(failing(ContentRejected(), ContentRejected()), n=2)


async def test_if_any_part_may_have_run_the_sdk_is_told_not_to_repeat() -> None:
    """The first failure alone would say: repeat, and the other part would be paid twice."""
    for errors in (
        (UpstreamUnreachable(), UpstreamTimeout()),
        (UpstreamRefused(429, "Slow down."), UpstreamError()),
    ):
        with pytest.raises(GatewayError) as failed:
            await run(failing(*errors), n=2)
        assert failed.value.retry is False
    with pytest.raises(UpstreamUnreachable) as failed:
        await run(failing(UpstreamUnreachable(), UpstreamUnreachable()), n=2)
    assert failed.value.retry is True


async def test_a_client_that_leaves_ends_every_part() -> None:
    watcher, studio, started = Watcher(), Studio(), asyncio.Event()
    ended = []

    async def hang(edit: EditRequest) -> EditResult:
        try:
            if len(studio.requests) == 3:
                started.set()
            await asyncio.Event().wait()
        finally:
            ended.append(edit.options.seed)
        raise AssertionError

    studio.answer = hang
    async with opened(configuration(), studio, watcher) as edits:
        prepared = edits.prepare(submission(n=3, seed=0), ANYBODY, "r")
        await cancelled(prepared, started, streamed=False)
    assert sorted(ended) == [0, 1, 2]
    assert watcher.seen[-1] == "CancelledError"


# --- secrets and headers -----------------------------------------------------------------


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


# --- streaming ---------------------------------------------------------------------------


async def test_the_providers_events_are_passed_on() -> None:
    found = await events(Studio())
    assert types(found) == ["image_edit.partial_image", "image_edit.completed"]
    assert isinstance(found[1], EditEvent)
    assert found[1].cost == 0.5


async def test_events_are_passed_on_one_by_one() -> None:
    studio, passed = Studio(), asyncio.Event()

    async def slow(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        await passed.wait()
        yield EditEvent(type="image_edit.completed", data=b"{}")

    studio.events = slow
    async with opened(configuration(), studio) as edits:
        stream = edits.prepare(submission("streams", stream=True), ANYBODY, "r").events()
        assert (await anext(stream)).type == "image_edit.partial_image"
        passed.set()
        assert [event.type async for event in stream] == ["image_edit.completed"]


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_a_stream_without_its_completed_event_is_an_error(number: int) -> None:
    """Whichever plugin it comes from: an edit that was cut off must not look complete."""
    studio = Studio()

    async def cut(edit: EditRequest) -> AsyncIterator[EditEvent]:
        for _ in range(number):
            yield EditEvent(type="image_edit.partial_image", data=b"{}")

    studio.events = cut
    found = await events(studio)
    assert types(found) == ["image_edit.partial_image"] * number + ["UpstreamError"]
    assert isinstance(found[-1], UpstreamError)
    assert found[-1].retry is False


async def test_an_error_in_the_middle_of_a_stream() -> None:
    studio = Studio()

    async def breaks(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        raise ContentRejected

    async def bug(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        raise KeyError

    studio.events = breaks
    assert types(await events(studio)) == ["image_edit.partial_image", "ContentRejected"]
    studio.events = bug
    assert types(await events(studio)) == ["image_edit.partial_image", "PluginBug"]


async def test_a_deadline_in_the_middle_of_a_stream() -> None:
    studio = Studio()

    async def hangs(edit: EditRequest) -> AsyncIterator[EditEvent]:
        yield EditEvent(type="image_edit.partial_image", data=b"{}")
        await asyncio.Event().wait()

    studio.events = hangs
    found = await events(studio, limits={"total_timeout": 0.1})
    assert types(found) == ["image_edit.partial_image", "UpstreamTimeout"]


async def test_a_provider_without_streaming_gets_completed_events() -> None:
    """One per picture; usage and cost are those of the whole edit and stand on the last."""
    studio = Studio()
    found = await events(studio, model="many", n=6)
    assert [edit.stream for edit in studio.edits] == [None, None]
    assert types(found) == ["image_edit.completed"] * 6
    documents = [json.loads(event.data) for event in found if isinstance(event, EditEvent)]
    assert all(document["b64_json"] == RESULT for document in documents)
    assert all(document["type"] == "image_edit.completed" for document in documents)
    doubled = {
        "input_tokens": 60,
        "input_tokens_details": {"text_tokens": 20, "image_tokens": 40},
        "output_tokens": 80,
        "total_tokens": 140,
    }
    assert [document.get("usage") for document in documents] == [None] * 5 + [doubled]
    assert [getattr(event, "cost", None) for event in found] == [None] * 5 + [0.5]


async def test_a_streaming_provider_asked_for_more_than_one_call_makes() -> None:
    """Two streams cannot be told apart in one, so the core makes the events."""
    studio = Studio()
    found = await events(studio, n=3)
    assert [(edit.n, edit.stream) for edit in studio.edits] == [(2, None), (1, None)]
    assert types(found) == ["image_edit.completed"] * 3


async def test_pictures_come_before_the_failure_of_another_part() -> None:
    found = await events(failing(None, ContentRejected()), model="plain", n=2)
    assert types(found) == ["image_edit.completed", "ContentRejected"]


async def test_a_stream_in_a_format_that_the_core_makes_is_made_by_the_core() -> None:
    """The provider's own events would hold pictures of another format than was asked for."""
    studio = Studio()
    found = await events(studio, output_format="webp")
    assert types(found) == ["image_edit.completed"]
    assert isinstance(found[0], EditEvent)
    document = json.loads(found[0].data)
    assert document["output_format"] == "webp"
    assert document["b64_json"].startswith("UklGR")  # "RIFF"


def test_completed_events_say_what_is_known() -> None:
    (event,) = completed_events(
        EditResult(
            images=(EditedImage(data=Blob(b"\x00\x01\x02")),),
            created=1_795_000_000,
            size="8x8",
            quality="high",
            background="opaque",
            output_format="webp",
            usage=USAGE,
        )
    )
    assert json.loads(event.data) == {
        "type": "image_edit.completed",
        "b64_json": "AAEC",
        "created_at": 1_795_000_000,
        "size": "8x8",
        "quality": "high",
        "background": "opaque",
        "output_format": "webp",
        "usage": USAGE,
    }
    assert b"\n" not in event.data


async def test_the_deadline_of_one_part_does_not_lose_the_others() -> None:
    """They are made and paid for."""
    studio = Studio()

    async def one_hangs(edit: EditRequest) -> EditResult:
        if edit.options.seed == 1:
            await asyncio.Event().wait()
        return result()

    studio.answer = one_hangs
    outcome = await run(studio, n=3, seed=0, limits={"total_timeout": 0.2})
    assert len(outcome.result.images) == 2
    assert [failure.code for failure in outcome.failures] == ["upstream_timeout"]


async def test_nothing_begins_after_the_deadline() -> None:
    studio = Studio()

    async def hang(edit: EditRequest) -> EditResult:
        await asyncio.Event().wait()
        raise AssertionError

    studio.answer = hang
    with pytest.raises(UpstreamTimeout) as late:
        await run(studio, n=4, limits={"total_timeout": 0.1, "fan_out": 2})
    assert late.value.retry is False
    assert len(studio.edits) == 2


async def test_a_provider_that_returns_nothing_is_a_bug() -> None:
    studio = Studio()

    async def nothing(edit: EditRequest) -> Any:
        return None

    studio.answer = nothing
    with pytest.raises(PluginBug) as bug:
        await run(studio)
    assert (bug.value.status, bug.value.retry) == (500, False)
