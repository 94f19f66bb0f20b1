from __future__ import annotations

import asyncio

import pytest

from retouch import (
    EditedImage,
    EditRequest,
    EditResult,
)
from retouch.errors import (
    ContentRejected,
    GatewayError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tests.http.inside import (
    ANYBODY,
    Studio,
    Watcher,
    configuration,
    opened,
    result,
    submission,
)
from tests.http.running import cancelled, failing, run


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
