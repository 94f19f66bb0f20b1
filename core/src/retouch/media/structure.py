"""What the three structure walks share: a window onto a blob, and what they find or refuse."""

from __future__ import annotations

import msgspec
from zlib_ng.zlib_ng import crc32

from retouch.media.blob import SPOOL_THRESHOLD, Blob

#: A blob in memory is at most this large, so its window is the blob's own bytes, not a copy.
_WINDOW = SPOOL_THRESHOLD
#: No provider takes more, and WebP cannot hold more.
MAX_SIDE = 16_384
MAX_PIXELS = 100_000_000


class BrokenPicture(Exception):
    """Why a picture is refused, as the end of a sentence that starts with the field's name."""


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """What a walk learned; the fields are those of ``retouch.types.Picture``."""

    width: int
    height: int
    alpha: bool = False
    orientation: int = 1


class Reader:
    """Reads a blob in order through one window, so that no walk holds a whole picture."""

    __slots__ = ("_blob", "_memory", "_start", "_window", "size")

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self.size = blob.size
        self._move(0)

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes (at most 1 MiB) from ``offset``; short at the end of the blob."""
        begin = offset - self._start
        if begin < 0 or begin + size > len(self._window):
            self._move(offset)
            begin = offset - self._start
            if begin + size > len(self._window):
                return self._blob.read(offset, size)
        return self._window[begin : begin + size]

    def crc32(self, offset: int, size: int) -> int:
        """The CRC-32 of ``size`` bytes from ``offset``."""
        begin = offset - self._start
        if begin >= 0 and begin + size <= len(self._window):
            return crc32(self._memory[begin : begin + size])
        value = 0
        while size > 0 and (view := self._view(offset, size)):
            value = crc32(view, value)
            offset += len(view)
            size -= len(view)
        return value

    def find(self, needle: bytes, offset: int) -> int:
        """The first place of ``needle`` at or after ``offset``, or -1."""
        while len(view := self.read(offset, _WINDOW)) >= len(needle):
            found = view.find(needle)
            if found >= 0:
                return offset + found
            offset += len(view) - len(needle) + 1
        return -1

    def count(self, needle: bytes, offset: int) -> int:
        """How often ``needle`` (two bytes that differ) occurs at or after ``offset``."""
        total = 0
        while len(view := self.read(offset, _WINDOW)) >= len(needle):
            total += view.count(needle)
            offset += len(view) - len(needle) + 1
        return total

    def _view(self, offset: int, size: int) -> memoryview:
        begin = offset - self._start
        if not 0 <= begin < len(self._window):
            self._move(offset)
            begin = offset - self._start
        return self._memory[begin : begin + size]

    def _move(self, offset: int) -> None:
        self._start, self._window = self._blob.piece(offset)
        self._memory = memoryview(self._window)


def check_sides(width: int, height: int) -> None:
    """Refuse a picture without pixels, or with more than anybody decodes.

    :raises BrokenPicture: for a side of 0 or above 16,384, or more than 100 million pixels.
    """
    if not width or not height:
        raise BrokenPicture(f"has no pixels: its size is {width}x{height}")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise BrokenPicture(
            f"is too large: {width}x{height} pixels, where at most {MAX_SIDE} a side and "
            f"{MAX_PIXELS} in all are accepted"
        )
