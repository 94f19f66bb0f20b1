"""Edits that run through the pipeline, without HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from retouch import (
    EditEvent,
    EditRequest,
    EditResult,
)
from retouch.errors import (
    GatewayError,
)
from retouch.pipeline import Prepared
from retouch.splitting import Outcome
from tests.http.inside import (
    ANYBODY,
    Studio,
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
