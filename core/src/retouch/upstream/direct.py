"""Read an answer of known length straight into one buffer, around aiohttp's parser.

Once the head of an answer was parsed and its length is known, nothing of the rest has to be
parsed; passing it through the parser and the stream reader copies it three times more. So the
connection is lent to a reader of our own for as many bytes, and goes back to aiohttp, which
keeps it for the next request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from retouch._direct import Borrower, Filling
from retouch._turns import turn
from retouch.errors import UpstreamError, UpstreamTimeout

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

#: Half of what may come of an answer, with its head, before aiohttp leaves the socket alone
#: until we look at it. The first read of uvloop brings up to 250 kB: small answers are whole.
HEAD_BUFFER = 96 * 1024
#: Shorter answers are in before it pays.
MIN_DIRECT_BYTES = 256 * 1024


def can_read_directly(response: aiohttp.ClientResponse) -> bool:
    """Whether the rest of this answer may go around the parser."""
    return response.connection is not None and (response.content_length or 0) >= MIN_DIRECT_BYTES


async def read_directly(response: aiohttp.ClientResponse, patience: float) -> bytes:
    """The whole body of an answer that names its length, nothing of which was read before.

    :param patience: seconds without a byte after which the answer is given up.
    :raises UpstreamTimeout: when nothing came for that long.
    :raises UpstreamError: when the connection breaks.
    :raises aiohttp.ClientError: when it broke before.
    """
    size = response.content_length or 0
    # Many answers may begin at the same time, and all want their room.
    await turn(size)
    # What the parser held back comes when what it gave was read.
    begun = b"".join(iter(response.content.read_nowait, b""))
    if response.content.is_eof():
        return begun
    filler = _Filler(response, begun, size, patience)
    try:
        await filler.done
    finally:
        filler.stop()
    return filler.taken()


class _Filler(Borrower):
    """Has the transport until the buffer is full."""

    def __init__(
        self, response: aiohttp.ClientResponse, begun: bytes, size: int, patience: float
    ) -> None:
        connection = response.connection
        assert connection is not None  # noqa: S101  by can_read_directly
        assert connection.protocol is not None  # noqa: S101
        assert connection.transport is not None  # noqa: S101
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._content = response.content
        self._handler: ResponseHandler = connection.protocol
        # Room for one more byte than there may be shows whether there is more.
        self._filling = Filling(size + 1)
        self._filling.put(begun)
        # Its own timer would not see these bytes.
        self._handler.read_timeout = None
        self._handler.start_timeout()
        self._patience = patience
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(patience, self._look)
        super().__init__(connection.transport, connection.protocol)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._filling.room()

    def buffer_updated(self, nbytes: int) -> None:
        """They are there; with the last one the connection goes back."""
        self._heard = self._loop.time()
        self._filling.filled += nbytes
        if self._filling.filled < self._filling.size - 1:
            self.read_on()
            return
        self.give_back()
        if self._filling.filled == self._filling.size:
            # Whatever follows, it must not be taken for the answer to the next request.
            self._filling.filled -= 1
            self._handler.force_close()
        if not self.done.done():
            self.done.set_result(None)
        self._content.feed_eof()

    def taken(self) -> bytes:
        """The whole body; to be called once, and later than in the transport's callback."""
        return self._filling.taken()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection broke."""
        super().connection_lost(exc)
        if not self.done.done():
            self.done.set_exception(UpstreamError())

    def stop(self) -> None:
        """Forget the timer."""
        self._timer.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._heard
        if silent < self._patience:
            self._timer = self._loop.call_later(self._patience - silent, self._look)
        elif not self.done.done():
            self.done.set_exception(UpstreamTimeout())
