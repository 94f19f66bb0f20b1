"""The way out: one aiohttp session, one request at a time, every failure in our terms.

Nothing is sent twice from here. The session follows no redirect (it would carry
``api-key`` and ``x-goog-api-key`` to another origin), keeps no cookies, ignores proxy
variables, asks for unpacked answers and reads with a cap.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from types import TracebackType

import aiohttp
import yarl

from retouch._tasks import in_thread
from retouch._turns import STEP_BYTES, turn
from retouch.config import LimitsConfig
from retouch.errors import (
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from retouch.media.blob import UNHURRIED_BYTES
from retouch.types import UpstreamRequest, UpstreamResponse
from retouch.upstream.body import Body
from retouch.upstream.direct import HEAD_BUFFER, can_read_directly, read_directly
from retouch.upstream.room import Place, Room

#: Bytes of an answer of unknown length that aiohttp may buffer before it stops reading.
READ_BUFFER = 1024 * 1024
#: Below what providers keep a connection open for, so that none is reused as it closes.
KEEPALIVE_SECONDS = 15.0
#: The gateway's own headers, which no provider may set; a plugin's ``call`` may.
OWN_HEADERS = "x-retouch-"
#: An error's body is read up to this size; the rest is not worth the memory.
MAX_ERROR_BYTES = 64 * 1024

#: aiohttp's failures in the order in which they are looked up. Whether the provider may
#: have begun to work decides between "unreachable" (safe to repeat) and the others.
_FAILURES: tuple[tuple[type[BaseException], type[UpstreamError]], ...] = (
    (aiohttp.ClientConnectorError, UpstreamUnreachable),
    (aiohttp.ConnectionTimeoutError, UpstreamUnreachable),
    (aiohttp.ServerFingerprintMismatch, UpstreamUnreachable),
    (aiohttp.RedirectClientError, UpstreamError),
    (aiohttp.InvalidURL, UpstreamUnreachable),
    (aiohttp.ServerTimeoutError, UpstreamTimeout),
    (TimeoutError, UpstreamTimeout),
    (aiohttp.ClientResponseError, UpstreamInvalid),
    (aiohttp.ClientError, UpstreamError),
    (OSError, UpstreamError),
)


class Client:
    """The connection pool of one process; made at start, closed at the end."""

    def __init__(self, limits: LimitsConfig, user_agent: str) -> None:
        self._limits = limits
        self._room = Room()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=limits.connect_timeout,
                connect=None,
                sock_read=limits.read_timeout,
            ),
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            skip_auto_headers=("Content-Type",),
            auto_decompress=False,
            read_bufsize=HEAD_BUFFER,
            trust_env=False,
        )

    def edit(self) -> EditHttp:
        """The way out for one edit, under a deadline that starts now."""
        return EditHttp(self._session, self._limits, self._room)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class EditHttp:
    """``http`` of the ``call`` hook: sends, and releases every answer when it is left."""

    def __init__(self, session: aiohttp.ClientSession, limits: LimitsConfig, room: Room) -> None:
        self._session = session
        self._limits = limits
        self._room = room
        self._places: list[Place] = []
        self._deadline = asyncio.get_running_loop().time() + limits.total_timeout
        self._open: list[aiohttp.ClientResponse] = []

    @property
    def remaining(self) -> float:
        """Seconds until the edit's deadline; not below zero."""
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send ``request`` once and return whatever status comes back.

        :raises UpstreamUnreachable: nothing was sent.
        :raises UpstreamTimeout: no answer in time; the edit may have run.
        :raises UpstreamInvalid: an answer that is not HTTP, or larger than allowed.
        :raises UpstreamError: the connection broke; the edit may have run.
        """
        try:
            response = await self._session.request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=_headers(request),
                data=_Payload(request.body) if request.body.segments else None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error) from error
        self._open.append(response)
        headers = {
            lower: value
            for name, value in response.headers.items()
            if not (lower := name.lower()).startswith(OWN_HEADERS)
        }
        streamed = (
            request.stream
            and response.status < 300
            and response.content_type == "text/event-stream"
        )
        if streamed:
            return UpstreamResponse(
                status=response.status, headers=headers, stream=_chunks(response)
            )
        body = await self._whole(response)
        response.release()
        # What comes next is done without a pause: finding, checking and wrapping the pictures.
        await turn(STEP_BYTES + len(body))
        return UpstreamResponse(status=response.status, headers=headers, body=body)

    async def __aenter__(self) -> EditHttp:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Whatever was not read to its end is cut, so that the provider can stop working.
        for response in self._open:
            response.close()
        for place in self._places:
            place.leave()

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        """The body of an answer, or the beginning of an error's."""
        cap = self._limits.max_response_bytes if response.status < 300 else MAX_ERROR_BYTES
        if response.status >= 300 or not can_read_directly(response):
            return await _read(response, cap)
        size = response.content_length or 0
        if size > cap:
            raise _too_large()
        self._places.append(await self._room.place(size))
        try:
            return await read_directly(response, self._limits.read_timeout)
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error) from error


class _Payload(aiohttp.Payload):
    """A ``Body`` as aiohttp sends it: length known, piece after piece, repeatable."""

    def __init__(self, body: Body) -> None:
        super().__init__(body, content_type=body.content_type)
        self._body = body
        self._size = body.size

    async def write(self, writer: aiohttp.abc.AbstractStreamWriter) -> None:
        following = functools.partial(next, self._body.writes(), None)
        large = self._body.size > UNHURRIED_BYTES
        while (piece := await in_thread(following) if large else following()) is not None:
            # A fast receiver never makes the writer wait, and then everybody else would.
            await turn(len(piece))
            await writer.write(piece)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._body.chunks()).decode(encoding, errors)


def _headers(request: UpstreamRequest) -> dict[str, str]:
    headers = dict(request.headers)
    if request.body.content_type is not None:
        headers["Content-Type"] = request.body.content_type
    return headers


async def _read(response: aiohttp.ClientResponse, cap: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in _chunks(response):
        size += len(piece)
        if size > cap:
            if response.status >= 300:
                pieces.append(piece[: cap - size])
                break
            raise _too_large()
        pieces.append(piece)
    return b"".join(pieces)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    response.content.set_read_chunk_size(READ_BUFFER)
    try:
        async for piece in response.content.iter_any():
            yield piece
    except (aiohttp.ClientError, OSError) as error:
        raise _translated(error) from error


def _too_large() -> UpstreamInvalid:
    return UpstreamInvalid("The provider's answer is larger than this gateway accepts.")


def _translated(error: BaseException) -> UpstreamError:
    for kind, ours in _FAILURES:
        if isinstance(error, kind):
            return ours()
    return UpstreamError()
