"""Results and errors as HTTP answers: JSON, in OpenAI's shapes, in as few copies as can be."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from starlette.types import Send

from retouch._turns import TURN_BYTES, turn
from retouch.errors import GatewayError
from retouch.media.blob import Blob
from retouch.pipeline import Prepared
from retouch.splitting import Outcome
from retouch.types import ImageData
from retouch.upstream.body import Base64, Body, JsonText, json_body

#: The most that is sent in one turn of the event loop for one answer.
SEND_BYTES = TURN_BYTES
#: Response headers that the gateway adds to an edit's answer.
DROPPED_HEADER, PARTIAL_HEADER = "x-retouch-dropped", "x-retouch-partial"


async def send_json(
    send: Send, status: int, value: Any, headers: dict[str, str] | None = None
) -> None:
    """A small JSON answer."""
    await send_body(send, status, Body((msgspec.json.encode(value),), "application/json"), headers)


async def send_error(send: Send, error: GatewayError, headers: dict[str, str]) -> None:
    """A failure, in OpenAI's envelope."""
    merged = {**headers, **error.headers}
    if error.retry is not None:
        merged["x-should-retry"] = "true" if error.retry else "false"
    await send_json(send, error.status, error.to_dict(), merged)


async def send_body(
    send: Send, status: int, body: Body, headers: dict[str, str] | None = None
) -> None:
    """A body of known length, which is not empty."""
    merged = {
        "content-type": body.content_type or "application/octet-stream",
        "content-length": str(body.size),
        "x-content-type-options": "nosniff",
        **(headers or {}),
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in merged.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    left = body.size
    for piece in body.writes():
        for start in range(0, len(piece), SEND_BYTES):
            part = piece[start : start + SEND_BYTES]
            left -= len(part)
            await turn(len(part))
            await send({"type": "http.response.body", "body": part, "more_body": left > 0})


def result_body(outcome: Outcome, provider: str) -> Body:
    """OpenAI's ``ImagesResponse`` with ``provider`` and ``cost``.

    ``errors`` tells what is missing: what the plugin says of its calls, then the calls that
    failed of an edit that was split.
    """
    result = outcome.result
    value: dict[str, Any] = {
        "created": result.created or int(time.time()),
        "data": [
            _given(
                b64_json=None if image.data is None else _in_json(image.data),
                url=image.url,
                revised_prompt=image.revised_prompt,
            )
            for image in result.images
        ],
        **_given(
            background=result.background,
            output_format=result.output_format,
            quality=result.quality,
            size=result.size,
            usage=result.usage,
        ),
        **result.extra,
        "provider": provider,
        "cost": result.cost,
    }
    if outcome.failures:
        told = result.extra.get("errors", [])
        value["errors"] = [
            *(told if isinstance(told, list | tuple) else [told]),
            *(failure.to_dict()["error"] for failure in outcome.failures),
        ]
    return json_body(value)


def result_headers(outcome: Outcome, prepared: Prepared) -> dict[str, str]:
    """The headers of a result: what the provider said, what was dropped, what is missing."""
    headers = dict(outcome.headers)
    headers |= dropped_header(prepared)
    made, wanted = len(outcome.result.images), prepared.edit.n or 1
    # A provider may also leave out some of its pictures without a call that failed.
    if outcome.failures or made < wanted:
        headers[PARTIAL_HEADER] = f"{made}/{wanted}"
    return headers


def dropped_header(prepared: Prepared) -> dict[str, str]:
    """Which parameters ``drop_params`` left out, if any."""
    return {DROPPED_HEADER: ", ".join(prepared.dropped)} if prepared.dropped else {}


def _in_json(data: ImageData) -> Base64 | JsonText:
    if isinstance(data, Blob):
        return Base64(data)
    return JsonText(data.encode() if isinstance(data, str) else data)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
