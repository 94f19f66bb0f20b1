"""Blobs: the same bytes from memory and from disk, any number of times, and nothing left over."""

from __future__ import annotations

import gc
import hashlib
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retouch import Blob
from retouch.media.blob import (
    CHUNK_SIZE,
    SLOW_CLOSE,
    SPOOL_THRESHOLD,
    BlobWriter,
    Budget,
    Spool,
    budget,
)

LARGE = random.Random(7).randbytes(1_835_013)


def open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - Path keeps one more open


def written(data: bytes, piece: int = 100_000) -> Blob:
    writer = BlobWriter()
    for start in range(0, len(data), piece):
        writer.write(data[start : start + piece])
    return writer.finish()


@pytest.fixture(autouse=True, scope="module")
def _no_room() -> Iterator[None]:
    """Everything above the threshold goes to a file, unless a test makes room."""
    before, budget.limit = budget.limit, 0
    yield
    budget.limit = before


@pytest.fixture(autouse=True)
def _no_file_is_left_open() -> Iterator[None]:
    gc.collect()
    before = open_files()
    yield
    gc.collect()
    assert open_files() == before


@pytest.mark.parametrize(
    ("size", "place"),
    [(0, "memory"), (1, "memory"), (SPOOL_THRESHOLD, "memory"), (SPOOL_THRESHOLD + 1, "disk")],
)
def test_where_the_bytes_live(size: int, place: str) -> None:
    before = open_files()
    blob = written(LARGE[:size])
    assert open_files() == before + (place == "disk")
    assert place in repr(blob)
    assert len(blob) == blob.size == size
    assert blob.read() == LARGE[:size]


@pytest.mark.parametrize("size", [0, 1, 5_000, SPOOL_THRESHOLD, len(LARGE)])
def test_read_again_and_again(size: int) -> None:
    data = LARGE[:size]
    for blob in (Blob(data), written(data)):
        assert b"".join(blob.chunks()) == data
        assert b"".join(blob.chunks()) == data
        assert blob.sha256() == hashlib.sha256(data).hexdigest()


def test_chunks_of_a_file_have_one_size() -> None:
    sizes = [len(chunk) for chunk in written(LARGE).chunks()]
    assert sizes == [CHUNK_SIZE] * (len(LARGE) // CHUNK_SIZE) + [len(LARGE) % CHUNK_SIZE]


class TestRoomInMemory:
    """Blobs above the threshold stay in memory while the process has room for them."""

    @pytest.fixture
    def room(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Budget]:
        """Room for two of ``LARGE``, all of it given back at the end of the test."""
        monkeypatch.setattr(budget, "limit", 2 * len(LARGE) + 1)
        gc.collect()
        used = budget.used
        yield budget
        gc.collect()
        assert budget.used == used

    def test_until_it_is_full(self, room: Budget) -> None:
        first, second, third = written(LARGE), written(LARGE), written(LARGE)
        assert ["memory" in repr(blob) for blob in (first, second, third)] == [True, True, False]
        assert first.read() == second.read() == third.read() == LARGE
        first.close()
        assert "memory" in repr(written(LARGE))

    def test_pieces_are_not_joined(self, room: Budget) -> None:
        blob = written(LARGE, 300_000)
        assert [len(chunk) for chunk in blob.chunks()] == [300_000] * 6 + [len(LARGE) - 1_800_000]
        assert blob.piece(600_001) == (600_000, LARGE[600_000:900_000])
        assert blob.piece(len(LARGE)) == (len(LARGE), b"")
        assert blob.read(299_999, 300_002) == LARGE[299_999:600_001]

    def test_an_unfinished_writer_gives_its_room_back(self, room: Budget) -> None:
        writer = BlobWriter()
        writer.write(LARGE)
        assert room.used == len(LARGE)
        writer.close()
        assert room.used == 0

    def test_what_outgrows_memory_moves_to_a_file(
        self, room: Budget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room, "limit", len(LARGE) - 1)
        blob = written(LARGE)
        assert "on disk" in repr(blob)
        assert blob.read() == LARGE
        assert room.used == 0

    def test_one_request_cannot_take_all_of_it(
        self, room: Budget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("retouch.media.blob.REQUEST_BUDGET", len(LARGE) + 1)

        def blobs(spool: Spool) -> list[bool]:
            made = []
            for _ in range(2):
                writer = spool.writer()
                writer.write(LARGE)
                made.append("memory" in repr(spool.finish(writer)))
            return made

        with Spool() as greedy, Spool() as other, Spool() as late:
            assert blobs(greedy) == [True, False]
            assert blobs(other) == [True, False]
            assert blobs(late) == [False, False]
        with Spool() as again:
            assert blobs(again) == [True, False]


def test_a_budget_counts_in_every_thread() -> None:
    whole = Budget(1000)
    share = Budget(600, whole)
    most = []

    def take_and_give() -> None:
        for _ in range(5000):
            if share.take(300):
                most.append(share.used)
                share.give(300)

    threads = [threading.Thread(target=take_and_give) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert (whole.used, share.used) == (0, 0)
    assert max(most) <= 600


def test_two_readers_at_once_do_not_disturb_each_other() -> None:
    blob = written(LARGE)
    first, second = blob.chunks(), blob.chunks()
    pairs = list(zip(first, second, strict=True))
    assert b"".join(one for one, _ in pairs) == b"".join(two for _, two in pairs) == LARGE


@pytest.fixture(scope="module")
def on_disk() -> Iterator[Blob]:
    blob = written(LARGE)
    yield blob
    blob.close()


@settings(max_examples=200, deadline=None)
@given(offset=st.integers(0, len(LARGE) + 10), size=st.none() | st.integers(0, len(LARGE) + 10))
def test_read_is_a_slice(on_disk: Blob, offset: int, size: int | None) -> None:
    expected = LARGE[offset:] if size is None else LARGE[offset : offset + size]
    assert Blob(LARGE).read(offset, size) == expected
    assert on_disk.read(offset, size) == expected


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 400_000), max_size=8))
def test_written_in_any_pieces(sizes: list[int]) -> None:
    writer, data, start = BlobWriter(), bytearray(), 0
    for size in sizes:
        piece = LARGE[start : start + size]
        writer.write(piece)
        data += piece
        start = (start + size) % (len(LARGE) // 2)
        assert writer.size == len(data)
    blob = writer.finish()
    assert blob.read() == data


def test_the_file_has_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    blob = written(LARGE)
    assert list(tmp_path.iterdir()) == []
    assert blob.read() == LARGE


def test_a_closed_blob_cannot_be_read() -> None:
    for blob in (Blob(b"abc"), written(LARGE)):
        blob.close()
        blob.close()
        with pytest.raises(OSError):  # noqa: PT011 - the kind of error is the promise
            blob.read()
        with pytest.raises(OSError):  # noqa: PT011
            list(blob.chunks())


def test_a_forgotten_blob_frees_its_file() -> None:
    before = open_files()
    blob = written(LARGE)
    assert open_files() == before + 1
    del blob
    gc.collect()
    assert open_files() == before


def test_a_spool_closes_what_it_made() -> None:
    before = open_files()
    with Spool() as spool:
        finished = spool.writer()
        finished.write(LARGE)
        blob = spool.finish(finished)
        abandoned = spool.writer()
        abandoned.write(LARGE)
        assert open_files() == before + 2
        assert blob.read(5, 10) == LARGE[5:15]
    assert open_files() == before
    with pytest.raises(OSError):  # noqa: PT011
        blob.read()
    spool.close()


def test_a_spool_closes_after_an_error() -> None:
    before = open_files()

    def upload() -> None:
        with Spool() as spool:
            spool.writer().write(LARGE)
            raise KeyError("the client has left")

    with pytest.raises(KeyError):
        upload()
    assert open_files() == before


def test_a_full_disk() -> None:
    """The limit on file sizes stands in for the end of the disk."""
    before = open_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SPOOL_THRESHOLD + 100_000, hard))
    try:
        with Spool() as spool:
            writer = spool.writer()
            writer.write(LARGE[: SPOOL_THRESHOLD + 90_000])
            with pytest.raises(OSError, match="File too large"):
                writer.write(LARGE[:CHUNK_SIZE])
        assert open_files() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_large_file_is_closed_in_the_background() -> None:
    before = open_files()
    blob = written(bytes(SLOW_CLOSE), SLOW_CLOSE // 4)
    assert open_files() == before + 1
    blob.close()
    with pytest.raises(OSError):  # noqa: PT011 - at once, whenever the file is gone
        blob.read()
    deadline = time.monotonic() + 10
    while open_files() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert open_files() == before


def test_whoever_appends_says_when_to_write() -> None:
    before = open_files()
    writer = BlobWriter()
    assert not writer.append(LARGE[:SPOOL_THRESHOLD])
    assert writer.append(LARGE[SPOOL_THRESHOLD:-1])
    assert writer.pending == len(LARGE) - 1
    assert open_files() == before
    writer.flush()
    assert (writer.pending, open_files()) == (0, before + 1)
    assert not writer.append(LARGE[-1:])
    assert writer.finish().read() == LARGE
