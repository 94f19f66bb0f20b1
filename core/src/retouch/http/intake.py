"""Read the body of an edit, whichever of the two forms it has."""

from __future__ import annotations

from collections.abc import AsyncIterator

import multipart
from starlette.types import Receive, Scope

from retouch._turns import turn
from retouch.config import LimitsConfig
from retouch.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from retouch.http import intake_json, intake_multipart
from retouch.media.blob import Spool
from retouch.submission import Submission

MAX_CONTENT_TYPE_CHARS = 1024
MULTIPART, JSON = "multipart/form-data", "application/json"


class ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


async def read_submission(
    scope: Scope, receive: Receive, spool: Spool, limits: LimitsConfig
) -> Submission:
    """What the client sent, complete and checked as far as that goes without a model.

    :param spool: owns the pictures.
    :raises UnsupportedMediaType: for another content type, and for a compressed body.
    :raises RequestTooLarge: as soon as a limit is passed.
    :raises ClientLeft: when the body ends before it is complete.
    """
    headers = dict(scope["headers"])
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    media_type, boundary = content_type(headers.get(b"content-type", b"").decode("latin-1"))
    declared = headers.get(b"content-length")
    length = int(declared) if declared is not None and declared.isdigit() else None
    if media_type == MULTIPART:
        chunks = _chunks(receive, length, limits.max_body_bytes)
        return await intake_multipart.read(chunks, boundary, length, spool)
    if media_type == JSON:
        chunks = _chunks(receive, length, limits.max_json_bytes)
        return await intake_json.read(chunks)
    raise UnsupportedMediaType(
        f"Send the edit as {MULTIPART} or as {JSON}; the Content-Type header says neither."
    )


def content_type(header: str) -> tuple[str, str]:
    """The media type in lower case and the boundary parameter (empty if there is none)."""
    try:
        media_type, options = multipart.parse_options_header(header[:MAX_CONTENT_TYPE_CHARS])
    except multipart.MultipartError:
        return "", ""
    return media_type.lower(), options.get("boundary", "")


async def _chunks(receive: Receive, length: int | None, limit: int) -> AsyncIterator[bytes]:
    """The body's bytes in order.

    A body shorter than its Content-Length never comes to its end here: the server reports
    that the client has left.
    """
    if length is not None and length > limit:
        raise _too_large(limit)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        if chunk:
            await turn(len(chunk))
            yield chunk
    if length is not None and size != length:
        raise InvalidRequest("The body is not as long as its Content-Length says.")


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"The body is larger than {limit} bytes, the most accepted here.")
