"""What the three structure walks share: a window onto a blob, and what they find or refuse."""

from __future__ import annotations

from collections.abc import Generator

import msgspec

from retouch.media.blob import MIB, Blob

#: What is searched at once.
_WINDOW = MIB
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


#: A walk over a picture: it stops wherever it needs bytes that are still to come.
Walk = Generator[None, None, Structure]


class Reader:
    """A window onto a picture, whole or still arriving, so that no walk holds all of it.

    A walk is a generator that yields as long as bytes that it needs lack. Of a picture that
    arrives it sees each piece once, in order; what it waits for stays in the window. Once the
    picture is complete, nothing lacks and it can be read anywhere.
    """

    __slots__ = ("_blob", "_memory", "_next", "_start", "_window", "size")

    def __init__(self, blob: Blob | None = None) -> None:
        self._blob: Blob | None = None
        self._next = self._start = self.size = 0
        self._show(0, b"")
        if blob is not None:
            self.complete(blob)

    def grow(self, piece: bytes) -> None:
        """The next piece of a picture that arrives."""
        left = self._window[max(self._next - self._start, 0) :]
        self._show(self.size - len(left), left + piece if left else piece)
        self.size += len(piece)

    def complete(self, blob: Blob) -> None:
        """All of the picture is there, what was seen of it and the rest."""
        self._blob, self.size = blob, blob.size

    def lacks(self, offset: int, size: int) -> bool:
        """Whether some of these bytes are still to come.

        Until the picture is complete, nothing before ``offset`` can be read afterwards.
        """
        self._next = offset
        return self._blob is None and offset + size > self.size

    def get(self, offset: int, size: int) -> Generator[None, None, bytes]:
        """``read``, once all of these bytes are there."""
        while self.lacks(offset, size):
            yield
        return self.read(offset, size)

    def ends_before(self, end: int) -> bool:
        """Whether the picture is complete, and shorter than ``end`` bytes."""
        return self._blob is not None and end > self.size

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes (at most 1 MiB) from ``offset``; short at the end of what is there."""
        begin = offset - self._start
        if self._blob is not None and (begin < 0 or begin + size > len(self._window)):
            self._move(offset)
            begin = offset - self._start
            if begin + size > len(self._window):
                return self._blob.read(offset, size)
        return self._window[begin : begin + size]

    def view(self, offset: int, size: int) -> memoryview:
        """Those of ``size`` bytes from ``offset`` that are in one window; none at the end."""
        begin = offset - self._start
        if not 0 <= begin < len(self._window):
            self._move(offset)
            begin = offset - self._start
        return self._memory[begin : begin + size]

    def find(self, needle: bytes, offset: int) -> int:
        """The first place of ``needle`` at or after ``offset``, or -1."""
        while len(piece := self.read(offset, _WINDOW)) >= len(needle):
            found = piece.find(needle)
            if found >= 0:
                return offset + found
            offset += len(piece) - len(needle) + 1
        return -1

    def count(self, needle: bytes, offset: int) -> tuple[int, int]:
        """How often ``needle`` (two bytes that differ) is in one window, and where to go on.

        The place to go on is ``offset`` itself at the end of what is there.
        """
        if len(self.view(offset, 2)) < 2:
            pair = self.read(offset, 2)
            return int(pair == needle), offset + len(pair) - 1
        end = self._start + len(self._window)
        found = self._window.count(needle, offset - self._start)
        return found, end - 1 if self._window.endswith(needle[:1]) else end

    def _move(self, offset: int) -> None:
        if self._blob is not None:
            self._show(*self._blob.piece(offset))

    def _show(self, start: int, window: bytes) -> None:
        self._start, self._window = start, window
        self._memory = memoryview(window)


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
