"""Read from a transport straight into place, without a copy on the way.

Works on asyncio's own loop and on uvloop, with and without TLS: ``set_protocol`` and
``BufferedProtocol`` are all that it needs.
"""

from __future__ import annotations

import asyncio
import io

from retouch._turns import turns

#: The most that is read at once, which takes half a millisecond.
READ_BYTES = 2 * 1024 * 1024


class Filling:
    """A ``bytes`` object while it is being filled.

    ``BytesIO`` is the one type that lends a buffer to be written to and gives it away as
    ``bytes`` afterwards without copying it.

    :param size: the most that it can hold.
    """

    __slots__ = ("_file", "_view", "filled", "size")

    def __init__(self, size: int) -> None:
        self._file = io.BytesIO()
        self._file.seek(size - 1)
        self._file.write(b"\0")
        self._view = self._file.getbuffer()
        self.filled = 0
        self.size = size

    def put(self, data: bytes) -> None:
        """Bytes that came another way."""
        self._view[self.filled : self.filled + len(data)] = data
        self.filled += len(data)

    def room(self) -> memoryview:
        """Where the next bytes go; ``filled`` is to be raised by as many."""
        return self._view[self.filled : self.filled + READ_BYTES]

    def taken(self) -> bytes:
        """What came; to be called once, and not while anybody holds ``room()``.

        :raises BufferError: when somebody does.
        """
        self._view.release()
        self._file.truncate(self.filled)
        data = self._file.getvalue()
        # uvloop's transports keep the methods of the last protocol that read into buffers, and
        # with them all this, for as long as the connection stays open.
        self._file.close()
        return data


class Borrower(asyncio.BufferedProtocol):
    """Has the transport of another protocol for a while, to read into buffers of its own.

    What else happens to the transport meanwhile is passed on to its owner.
    """

    def __init__(self, transport: asyncio.Transport, owner: asyncio.Protocol) -> None:
        self._transport = transport
        self._owner = owner
        self._turns = turns()
        transport.set_protocol(self)

    def read_on(self) -> None:
        """Bytes were read and more are wanted, in this turn of the loop or in a later one."""
        if self._turns.over():
            self._transport.pause_reading()
            self._turns.later(READ_BYTES, self._resume)

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def give_back(self) -> None:
        """The next byte is the owner's again."""
        self._transport.set_protocol(self._owner)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed or broken."""
        self._owner.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """The other side will send nothing more."""
        return self._owner.eof_received()

    def pause_writing(self) -> None:
        """What is written is not taken fast enough."""
        self._owner.pause_writing()

    def resume_writing(self) -> None:
        """It is taken again."""
        self._owner.resume_writing()
