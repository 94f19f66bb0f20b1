"""Bytes that a transport writes straight into place, without a copy on the way."""

from __future__ import annotations

import io


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

    def room(self) -> memoryview:
        """Where the next bytes go; ``filled`` is to be raised by as many."""
        return self._view[self.filled :]

    def taken(self) -> bytes:
        """What came; to be called once, and not while anybody holds ``room()``.

        :raises BufferError: when somebody does.
        """
        self._view.release()
        self._file.truncate(self.filled)
        return self._file.getvalue()
