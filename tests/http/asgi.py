"""Requests as an ASGI server hands them over, for tests of the readers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from retouch.config import LimitsConfig
from retouch.errors import GatewayError
from retouch.http.intake import read_submission
from retouch.media.blob import Spool
from retouch.submission import Submission
from retouch.types import Picture

LIMITS = LimitsConfig()
LEFT = object()


@dataclass(frozen=True)
class Read:
    """A submission, with the pictures' bytes read while they were there."""

    submission: Submission
    images: list[bytes]

    @property
    def fields(self) -> dict[str, object]:
        """The fields, undecoded."""
        return self.submission.fields


async def read(
    body: bytes | Sequence[bytes | object],
    content_type: str,
    *,
    length: int | None = None,
    limits: LimitsConfig = LIMITS,
    **headers: str,
) -> Read:
    """Read a body that arrives in these pieces; ``LEFT`` is the client breaking off.

    :param length: the Content-Length; none by default, as in a chunked upload.
    """
    pieces = [body] if isinstance(body, bytes) else list(body)
    arrived = iter(enumerate(pieces, 1))

    async def receive() -> dict[str, object]:
        number, piece = next(arrived)
        if piece is LEFT:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": number < len(pieces)}

    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["content-type"] = content_type
    if length is not None:
        sent["content-length"] = str(length)
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    with Spool() as spool:
        submission = await read_submission({"type": "http", "headers": raw}, receive, spool, limits)
        pictures = [item for item in submission.images if isinstance(item, Picture)]
        return Read(submission, [picture.blob.read() for picture in pictures])


async def refusal(
    body: bytes | Sequence[bytes | object],
    content_type: str,
    *,
    length: int | None = None,
    limits: LimitsConfig = LIMITS,
    **headers: str,
) -> GatewayError:
    """The error for a body that must not be read."""
    with pytest.raises(GatewayError) as caught:
        await read(body, content_type, length=length, limits=limits, **headers)
    return caught.value
