"""Bytes that may be large: in memory while there is room, in an unlinked temporary file else.

A ``Blob`` is immutable, can be read any number of times and knows its size, so that a
request body made of blobs can be sent again byte for byte and never needs joining.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

MIB = 1024 * 1024
#: Up to this size a blob is always in memory.
SPOOL_THRESHOLD = 256 * 1024
#: Above, it is in memory while all such blobs of the process together stay below this: a file
#: costs two more copies, but large pictures must not cost memory without bound.
MEMORY_BUDGET = 112 * MIB
#: The same for the blobs of one request.
REQUEST_BUDGET = 32 * MIB
#: Spooled blobs are read in pieces of this size.
CHUNK_SIZE = 512 * 1024
#: So much of a blob that goes to a file is collected before it is written.
FLUSH_BYTES = 256 * 1024
#: What a request writes to the disk or reads from it beyond this should be done in a worker
#: thread: now and then a large one has to wait for the disk, up to 60 ms at a time.
UNHURRIED_BYTES = 20 * MIB
#: Closing a nameless file from this size on would hold up the event loop: 49 MB take 3 ms, and
#: many edits may end at the same time.
SLOW_CLOSE = 2 * MIB
#: Writes below this many bytes are collected.
SMALL_WRITE = 4096


class Budget:
    """Counts the bytes of blobs that are in memory though they could be in files.

    In any thread: what goes to a file is given back by the one that wrote it.

    :param whole: what this is a part of; its limit holds as well.
    """

    def __init__(self, limit: int, whole: Budget | None = None) -> None:
        self.limit = limit
        self.used = 0
        self._whole = whole
        # Reentrant: a blob that is collected meanwhile gives back what it had.
        self._lock = threading.RLock()

    def take(self, size: int) -> bool:
        """Whether ``size`` more bytes fit; if so they count until they are given back."""
        with self._lock:
            if self.used + size > self.limit:
                return False
            if self._whole is not None and not self._whole.take(size):
                return False
            self.used += size
            return True

    def give(self, size: int) -> None:
        """Bytes that ``take`` granted are free again."""
        with self._lock:
            self.used -= size
            if self._whole is not None:
                self._whole.give(size)


#: The one budget of this process.
budget = Budget(MEMORY_BUDGET)


class Blob:
    """A fixed sequence of bytes of known ``size``; made by ``Blob(data)`` or a ``Spool``."""

    __slots__ = ("_budget", "_fd", "_granted", "_pieces", "_starts", "size")

    def __init__(self, data: bytes) -> None:
        self._hold((data,) if data else ())

    def _hold(self, pieces: Sequence[bytes], granted: int = 0, share: Budget = budget) -> None:
        self._budget = share
        self._pieces: Sequence[bytes] = pieces
        #: Where each piece begins, and where the last one ends.
        self._starts = [0, *itertools.accumulate(map(len, pieces))]
        self._fd = -1
        self._granted = granted
        self.size = self._starts[-1]

    @classmethod
    def _of_pieces(cls, pieces: Sequence[bytes], granted: int, share: Budget) -> Blob:
        blob = cls(b"")
        blob._hold(pieces, granted, share)
        return blob

    @classmethod
    def _of_file(cls, fd: int, size: int) -> Blob:
        blob = cls(b"")
        blob._fd, blob.size = fd, size
        return blob

    def chunks(self) -> Iterator[bytes]:
        """The content in order: the pieces it came in, or pieces of ``CHUNK_SIZE`` of a file.

        Reads come from the page cache, so they are made on the calling thread.
        """
        offset = 0
        while offset < self.size:
            piece = self.piece(offset)[1]
            yield piece
            offset += len(piece)

    def piece(self, offset: int) -> tuple[int, bytes]:
        """A piece of the content that contains ``offset``, and where it begins.

        Of a blob in memory nothing is copied; of one in a file up to ``CHUNK_SIZE`` bytes are
        read. Empty at the end of the blob.

        :raises OSError: when the blob is closed, or its file is shorter than it was written.
        """
        if offset >= self.size:
            return offset, b""
        if self._fd >= 0:
            piece = os.pread(self._fd, min(CHUNK_SIZE, self.size - offset), offset)
            if not piece:
                raise OSError("a spooled blob is shorter than it was written")
            return offset, piece
        index = bisect.bisect_right(self._starts, offset) - 1
        if index >= len(self._pieces):
            raise OSError("the blob is closed")
        return self._starts[index], self._pieces[index]

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """``size`` bytes from ``offset``, or all that follow; short at the end of the blob."""
        end = self.size if size is None else min(self.size, offset + size)
        if self._fd >= 0:
            return os.pread(self._fd, max(end - offset, 0), offset)
        found: list[bytes] = []
        while offset < end:
            start, piece = self.piece(offset)
            found.append(piece[offset - start : end - start])
            offset += len(found[-1])
        return found[0] if len(found) == 1 else b"".join(found)

    def sha256(self) -> str:
        """The hex digest of the content."""
        digest = hashlib.sha256()
        for piece in self.chunks():
            digest.update(piece)
        return digest.hexdigest()

    def close(self) -> None:
        """Give up the memory or the file; the blob cannot be read afterwards."""
        # Forgotten before it is closed: a number may be reused the moment it is free.
        fd, self._fd = self._fd, -1
        granted, self._granted = self._granted, 0
        self._pieces, self._starts = (), [0]
        self._budget.give(granted)
        if fd >= 0:
            _free(fd, self.size)

    def __len__(self) -> int:
        return self.size

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        if self._granted:
            self._budget.give(self._granted)
        if self._fd >= 0:
            _close(self._fd)

    def __repr__(self) -> str:
        return f"<Blob of {self.size} bytes {'in memory' if self._fd < 0 else 'on disk'}>"


class BlobWriter:
    """Collects bytes into one ``Blob``; a file is opened only when memory may not be used."""

    __slots__ = ("_budget", "_fd", "_granted", "_pieces", "pending", "size")

    def __init__(self, share: Budget = budget) -> None:
        self._budget = share
        self._pieces: list[bytes | bytearray] = []
        self.pending = 0
        self._granted = 0
        self._fd = -1
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``. Raises ``OSError`` when the disk is full."""
        if self.append(data):
            self.flush()

    def append(self, data: bytes) -> bool:
        """Append ``data`` for now; whether it is time to ``flush``."""
        if len(data) < SMALL_WRITE and self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += data
        else:
            # A small piece costs more as an object than as bytes, so small ones are joined.
            self._pieces.append(bytearray(data) if len(data) < SMALL_WRITE else data)
        self.pending += len(data)
        self.size += len(data)
        if self._fd >= 0:
            return self.pending >= FLUSH_BYTES
        return self.size > SPOOL_THRESHOLD and not self._may_stay(len(data))

    def flush(self) -> None:
        """Write to the file what was appended. Raises ``OSError`` when the disk is full."""
        if self._fd < 0:
            self._fd = _open_unlinked()
        for piece in self._pieces:
            data = memoryview(piece)
            while data:
                data = data[os.write(self._fd, data) :]
        self._pieces.clear()
        self.pending = 0
        self._give_back()

    def finish(self) -> Blob:
        """The blob of everything written so far; the writer must not be used again."""
        if self._fd < 0:
            pieces = [bytes(piece) for piece in self._pieces if piece]
            self._pieces.clear()
            granted, self._granted = self._granted, 0
            return Blob._of_pieces(pieces, granted, self._budget)
        self.flush()
        fd, self._fd = self._fd, -1
        return Blob._of_file(fd, self.size)

    def close(self) -> None:
        """Give up what was written, if ``finish`` was not reached."""
        self._pieces.clear()
        self._give_back()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            _free(fd, self.size)

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        self._give_back()
        if self._fd >= 0:
            _close(self._fd)

    def _may_stay(self, more: int) -> bool:
        # The first piece beyond the threshold asks for everything before it, too.
        wanted = more if self._granted else self.size
        if not self._budget.take(wanted):
            return False
        self._granted += wanted
        return True

    def _give_back(self) -> None:
        granted, self._granted = self._granted, 0
        self._budget.give(granted)


class Spool:
    """Owns the blobs of one request: everything it made is closed when it is left."""

    def __init__(self) -> None:
        self._owned: list[Blob | BlobWriter] = []
        self._share = Budget(REQUEST_BUDGET, budget)

    def writer(self) -> BlobWriter:
        """A new writer; close of the spool frees its file even if it never finished."""
        writer = BlobWriter(self._share)
        self._owned.append(writer)
        return writer

    def finish(self, writer: BlobWriter) -> Blob:
        """``writer.finish()``, with the blob owned by this spool."""
        blob = writer.finish()
        self._owned.append(blob)
        return blob

    def close(self) -> None:
        """Free all memory and files; safe to call twice."""
        for item in self._owned:
            item.close()
        self._owned.clear()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _free(fd: int, size: int) -> None:
    """Close a file of this size, which gives back its pages."""
    if size < SLOW_CLOSE:
        os.close(fd)
    else:
        closer.submit(os.close, fd)


#: Closes large files, in one thread.
closer = ThreadPoolExecutor(1, "retouch-close")


def _open_unlinked() -> int:
    """A nameless file in the temporary folder: nothing to clean up after a crash."""
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())
