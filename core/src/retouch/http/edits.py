"""``POST /v1/images/edits``: who, read, where, run, answer, and stop when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from retouch._tasks import spawn
from retouch.config import LimitsConfig
from retouch.errors import GatewayError, InvalidRequest
from retouch.http.access import Access
from retouch.http.answers import result_body, result_headers, send_body
from retouch.http.auth import Keys
from retouch.http.events import send_events
from retouch.http.intake import ClientLeft, read_submission
from retouch.media.blob import Spool
from retouch.pipeline import Edits, Prepared


class EditEndpoint:
    """The ASGI application of every edit path."""

    def __init__(self, edits: Edits, keys: Keys, limits: LimitsConfig) -> None:
        self._edits = edits
        self._keys = keys
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one edit."""
        access: Access = scope["state"]["access"]
        caller = self._keys.caller(scope)
        access.key = caller.name
        with Spool() as spool:
            submission = await read_submission(scope, receive, spool, self._limits)
            _model_of_path(scope, submission.fields)
            access.model = submission.model
            prepared = self._edits.prepare(submission, caller, access.request_id)
            await while_connected(
                receive, send, lambda noting: self._answer(noting, prepared, access)
            )

    async def _answer(self, send: Send, prepared: Prepared, access: Access) -> None:
        headers = {"x-request-id": access.request_id}
        if prepared.edit.stream:
            access.cost = await send_events(send, prepared, headers, self._limits.heartbeat)
            return
        try:
            outcome = await prepared.run()
        except GatewayError as error:
            error.headers = {**headers, **error.headers}
            raise
        access.cost = outcome.result.cost
        headers |= result_headers(outcome, prepared)
        body = result_body(outcome, prepared.route.target.account.provider)
        await send_body(send, 200, body, headers)


async def while_connected(
    receive: Receive, send: Send, work: Callable[[Send], Awaitable[None]]
) -> None:
    """Run ``work`` with ``send``, and cancel it when the client leaves before it is answered.

    The server never cancels a request by itself, and an edit for nobody costs money.

    :raises ClientLeft: when the client left first.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  an ASGI application runs in a task
    answered = left = False

    async def noting(message: Message) -> None:
        nonlocal answered
        answered = message["type"] == "http.response.body" and not message.get("more_body")
        await send(message)

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        # The end of an answer looks the same from here.
        if not answered:
            left = True
            task.cancel()

    watching = spawn(watch())
    try:
        await work(noting)
    except asyncio.CancelledError:
        if left and task.uncancel() == 0:
            raise ClientLeft from None
        raise
    finally:
        watching.cancel()


def _model_of_path(scope: Scope, fields: dict[str, Any]) -> None:
    """On Azure's path the deployment is the model; a model in the body must say the same.

    :raises InvalidRequest: when the two differ.
    """
    model = scope.get("path_params", {}).get("model")
    if model is None:
        return
    if fields.get("model") in (None, ""):  # JSON's null and a form's empty field: not sent
        fields["model"] = model
    if fields["model"] != model:
        raise InvalidRequest(
            "`model` in the body and in the path name different models.", param="model"
        )
