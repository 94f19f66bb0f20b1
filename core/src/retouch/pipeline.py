"""The story of one edit, step by step, from the request as read to the provider's result.

``Edits.prepare`` says where it goes and whether it may; ``Prepared.run`` and
``Prepared.events`` fit the pictures, say it the provider's way, call, and say the answer
our way. Nothing here knows HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

import msgspec

from retouch.errors import GatewayError, UpstreamError, UpstreamTimeout
from retouch.fitting import base64_text, converts, fit_edit, fit_result
from retouch.redaction import redact_error
from retouch.routing import Caller, Route, Routes
from retouch.splitting import Outcome, merge, split
from retouch.submission import Submission, build_edit, name_images
from retouch.types import (
    EditEvent,
    EditRequest,
    EditResult,
    Picture,
    UpstreamRequest,
    UpstreamResponse,
)
from retouch.upstream.body import json_body
from retouch.upstream.client import Client, EditHttp

COMPLETED = "image_edit.completed"
#: Keys of a completed event that ``http.events`` writes: a plugin cannot speak for the gateway.
OWN_KEYS = ("provider", "cost")
#: Upstream response headers that the client gets to see, by name or by their beginning.
RELAYED_HEADERS = ("x-request-id", "openai-processing-ms", "openai-version")
#: ``x-retouch-`` can only come from a plugin's ``call``: ``upstream.client`` takes it from
#: what a provider sends.
RELAYED_PREFIXES = ("x-ratelimit-", "x-retouch-")
MAX_RELAYED_CHARS = 512


class Edits:
    """Everything an edit needs that outlives it."""

    def __init__(self, routes: Routes, client: Client, fan_out: int) -> None:
        self.routes = routes
        self.client = client
        self.fan_out = fan_out

    def prepare(self, submission: Submission, caller: Caller, request_id: str) -> Prepared:
        """Where the edit goes and whether it may: nothing has been sent when this raises."""
        route = self.routes.resolve(submission.model, caller)
        try:
            edit, dropped = build_edit(submission, route, request_id)
        except GatewayError as error:
            name_images(error, submission.images)
            raise
        return Prepared(self, route, edit, dropped)


class Prepared:
    """One edit with its route, about to run. Runs once."""

    def __init__(
        self, edits: Edits, route: Route, edit: EditRequest, dropped: tuple[str, ...]
    ) -> None:
        self.route = route
        self.edit = edit
        self.dropped = dropped
        self._edits = edits
        self._hooks = route.target.hooks
        self._account = route.target.account
        self._headers: dict[str, str] = {}

    async def run(self) -> Outcome:
        """The whole result.

        :raises GatewayError: whatever went wrong, with the account's secrets taken out.
        """
        async with AsyncExitStack() as stack:
            try:
                http, edit = await self._enter(stack)
                return await self._run(edit, http)
            except GatewayError as error:
                self._finish_error(error)
                raise

    async def events(self) -> AsyncGenerator[EditEvent, None]:
        """The result as events: the provider's own as they arrive, or one per picture.

        :raises GatewayError: as ``run``; after the first event it must become an event.
        """
        async with AsyncExitStack() as stack:
            try:
                http, edit = await self._enter(stack)
                # Calls that are not streamed each look after the deadline themselves.
                patience = http.remaining if self._streams(edit) else None
                async with asyncio.timeout(patience):
                    async with aclosing(self._events(edit, http)) as events:
                        async for event in events:
                            yield event
            except TimeoutError as error:
                raise UpstreamTimeout from error
            except GatewayError as error:
                self._finish_error(error)
                raise

    @property
    def headers(self) -> dict[str, str]:
        """The provider's response headers that the client may see, once there are any."""
        return self._headers

    async def _enter(self, stack: AsyncExitStack) -> tuple[EditHttp, EditRequest]:
        for manager in self._hooks.around_edit(self.edit, self._account):
            await stack.enter_async_context(manager)
        http = await stack.enter_async_context(self._edits.client.edit())
        self._hooks.validate(self.edit, self._account)
        return http, await fit_edit(self.edit, self.route.model.capabilities)

    async def _run(self, edit: EditRequest, http: EditHttp) -> Outcome:
        parts = split(edit, self.route.model.capabilities)
        if len(parts) == 1:
            result = await self._one(parts[0], http)
            return Outcome(result=result, headers=self._headers)
        slots = asyncio.Semaphore(self._edits.fan_out)

        async def limited(part: EditRequest) -> EditResult | GatewayError:
            async with slots:
                try:
                    return await self._one(part, http)
                except GatewayError as error:
                    self._finish_error(error)
                    return error

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(limited(part)) for part in parts]
        return merge([task.result() for task in tasks], self._headers)

    async def _events(self, edit: EditRequest, http: EditHttp) -> AsyncGenerator[EditEvent, None]:
        if self._streams(edit):
            response = await self._send(edit, http)
            if response.stream is not None:
                async with aclosing(self._streamed(response, edit)) as events:
                    async for event in events:
                        yield event
                return
            outcome = Outcome(result=await self._said(response, edit), headers=self._headers)
        else:
            outcome = await self._run(msgspec.structs.replace(edit, stream=None), http)
        for event in completed_events(outcome.result):
            yield event
        for failure in outcome.failures:
            raise failure

    def _streams(self, edit: EditRequest) -> bool:
        """Whether the provider's own events can be passed on as they are."""
        can = self.route.model.capabilities
        possible = can.streaming and self._hooks.streams and (edit.n or 1) <= can.max_n
        return possible and not converts(self.edit, can)

    async def _streamed(
        self, response: UpstreamResponse, edit: EditRequest
    ) -> AsyncGenerator[EditEvent, None]:
        completed = 0
        async with aclosing(self._hooks.translate_stream(response, edit, self._account)) as events:
            try:
                async for event in events:
                    completed += event.type == COMPLETED
                    yield event
            except UpstreamError:
                # All that was asked for is there: how the connection ends is nobody's concern.
                if completed < (edit.n or 1):
                    raise
        if not completed:
            raise UpstreamError("The provider's stream ended before the edit was complete.")

    async def _one(self, edit: EditRequest, http: EditHttp) -> EditResult:
        """One upstream call. The deadline is here, so that other calls' results survive it."""
        if not http.remaining:
            raise UpstreamTimeout
        try:
            async with asyncio.timeout(http.remaining):
                return await self._said(await self._send(edit, http), edit)
        except TimeoutError as error:
            raise UpstreamTimeout from error

    async def _said(self, response: UpstreamResponse, edit: EditRequest) -> EditResult:
        result = self._hooks.translate_response(response, edit, self._account)
        return await fit_result(result, self.edit, self.route.model.capabilities)

    async def _send(self, edit: EditRequest, http: EditHttp) -> UpstreamResponse:
        if not _needs_pixels(edit, self.route):
            request = self._hooks.translate_request(edit, self._account)
        else:
            # Converting a picture takes many milliseconds, so it may not happen on the loop.
            request = await asyncio.to_thread(self._hooks.translate_request, edit, self._account)
        response = await self._hooks.call(_with_headers(request, edit), self._account, http)
        self._headers |= _relayed(response.headers)
        return response

    def _finish_error(self, error: GatewayError) -> None:
        error.headers = {**self._headers, **error.headers}
        name_images(error, self.edit.images)
        redact_error(error, self._account.settings)


def completed_events(result: EditResult) -> list[EditEvent]:
    """One ``image_edit.completed`` event per picture, for providers that do not stream.

    Usage, cost and ``extra`` are those of the whole edit, so they stand on the last event only.
    """
    extra = {name: item for name, item in result.extra.items() if name not in OWN_KEYS}
    events = []
    for index, image in enumerate(result.images):
        last = index == len(result.images) - 1
        value = {
            "type": COMPLETED,
            "b64_json": base64_text(image.data) if image.data is not None else None,
            "url": image.url,
            "created_at": result.created or int(time.time()),
            "size": result.size or "auto",
            "quality": result.quality or "auto",
            "background": result.background or "auto",
            "output_format": result.output_format or "png",
            "usage": result.usage if last else None,
        }
        given = extra if last else {}
        given = given | {name: item for name, item in value.items() if item is not None}
        events.append(
            EditEvent(
                type=COMPLETED,
                data=b"".join(json_body(given).chunks()),
                cost=result.cost if last else None,
            )
        )
    return events


def _needs_pixels(edit: EditRequest, route: Route) -> bool:
    """Whether a provider may have to convert something: a mask, transparency, a turned picture."""
    if edit.mask is not None or not route.target.info.converts:
        return edit.mask is not None
    return any(
        isinstance(picture, Picture) and (picture.alpha or picture.orientation != 1)
        for picture in edit.images
    )


def _with_headers(request: UpstreamRequest, edit: EditRequest) -> UpstreamRequest:
    """The client's extra headers, where the provider did not set its own."""
    if not edit.headers:
        return request
    taken = {name.lower() for name in request.headers}
    extra = {name: value for name, value in edit.headers.items() if name not in taken}
    return msgspec.structs.replace(request, headers={**request.headers, **extra})


def _relayed(headers: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if (name in RELAYED_HEADERS or name.startswith(RELAYED_PREFIXES))
        # What is no plain text could not be sent, and an answer must not be lost for it.
        and len(value) <= MAX_RELAYED_CHARS
        and value.isascii()
        and value.isprintable()
    }
