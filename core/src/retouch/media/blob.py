"""Bytes that may be large: in memory while small, in an unlinked temporary file above.

A ``Blob`` is immutable, can be read any number of times and knows its size, so that a
request body made of blobs can be sent again byte for byte and never needs joining.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType

#: Above this many bytes a blob lives in a file (Starlette's spool threshold is the same).
SPOOL_THRESHOLD = 1024 * 1024
#: Reads and writes of spooled blobs happen in pieces of this size.
CHUNK_SIZE = 256 * 1024
#: Writes below this many bytes are collected.
SMALL_WRITE = 4096


class Blob:
    """A fixed sequence of bytes of known ``size``; made by ``Blob(data)`` or a ``Spool``."""

    __slots__ = ("_data", "_fd", "size")

    def __init__(self, data: bytes) -> None:
        self._data: bytes | None = data
        self._fd = -1
        self.size = len(data)

    @classmethod
    def _from_file(cls, fd: int, size: int) -> Blob:
        blob = cls(b"")
        blob._data, blob._fd, blob.size = None, fd, size
        return blob

    def chunks(self, size: int = CHUNK_SIZE) -> Iterator[bytes]:
        """The content in order; one piece when in memory, pieces of ``size`` bytes otherwise.

        Reads come from the page cache, so they are made on the calling thread.
        """
        if self._data is not None:
            if self._data:
                yield self._data
            return
        offset = 0
        while offset < self.size:
            piece = os.pread(self._fd, min(size, self.size - offset), offset)
            if not piece:
                raise OSError("a spooled blob is shorter than it was written")
            yield piece
            offset += len(piece)

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """``size`` bytes from ``offset``, or all that follow; short at the end of the blob."""
        end = self.size if size is None else min(self.size, offset + size)
        if self._data is not None:
            return self._data if (offset, end) == (0, self.size) else self._data[offset:end]
        return os.pread(self._fd, max(end - offset, 0), offset)

    def sha256(self) -> str:
        """The hex digest of the content."""
        digest = hashlib.sha256()
        for piece in self.chunks():
            digest.update(piece)
        return digest.hexdigest()

    def close(self) -> None:
        """Give up the memory or the file; the blob cannot be read afterwards."""
        self._data = None
        # Forgotten before it is closed: a number may be reused the moment it is free.
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __len__(self) -> int:
        return self.size

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        if self._fd >= 0:
            _close(self._fd)

    def __repr__(self) -> str:
        return f"<Blob of {self.size} bytes {'in memory' if self._fd < 0 else 'on disk'}>"


class BlobWriter:
    """Collects bytes into one ``Blob``; a file is opened only past ``SPOOL_THRESHOLD``."""

    __slots__ = ("_fd", "_pending", "_pieces", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes | bytearray] = []
        self._pending = 0
        self._fd = -1
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``. Raises ``OSError`` when the disk is full."""
        if len(data) < SMALL_WRITE and self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += data
        else:
            # A small piece costs more as an object than as bytes, so small ones are joined.
            self._pieces.append(bytearray(data) if len(data) < SMALL_WRITE else data)
        self._pending += len(data)
        self.size += len(data)
        if self.size > SPOOL_THRESHOLD and (self._fd < 0 or self._pending >= CHUNK_SIZE):
            self._flush()

    def finish(self) -> Blob:
        """The blob of everything written so far; the writer must not be used again."""
        if self._fd < 0:
            data = b"".join(self._pieces)
            self._pieces.clear()
            return Blob(data)
        self._flush()
        fd, self._fd = self._fd, -1
        return Blob._from_file(fd, self.size)

    def close(self) -> None:
        """Give up what was written, if ``finish`` was not reached."""
        self._pieces.clear()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        if self._fd >= 0:
            _close(self._fd)

    def _flush(self) -> None:
        if self._fd < 0:
            self._fd = _open_unlinked()
        data = memoryview(b"".join(self._pieces))
        self._pieces.clear()
        self._pending = 0
        while data:
            data = data[os.write(self._fd, data) :]


class Spool:
    """Owns the blobs of one request: everything it made is closed when it is left."""

    def __init__(self) -> None:
        self._owned: list[Blob | BlobWriter] = []

    def writer(self) -> BlobWriter:
        """A new writer; close of the spool frees its file even if it never finished."""
        writer = BlobWriter()
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


def _open_unlinked() -> int:
    """A nameless file in the temporary folder: nothing to clean up after a crash."""
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())
