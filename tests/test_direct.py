"""A buffer that becomes ``bytes`` without a copy."""

from __future__ import annotations

import tracemalloc

import pytest

from retouch._direct import Filling

MIB = 1024 * 1024


@pytest.mark.parametrize("size", [1, 2, 7, 4096, MIB])
@pytest.mark.parametrize("missing", [0, 1])
def test_what_was_written_comes_out(size: int, missing: int) -> None:
    data = bytes(number % 251 for number in range(size - missing))
    filling = Filling(size)
    filling.put(data[: size // 3])
    while filling.filled < len(data):
        piece = data[filling.filled :][: len(filling.room())]
        filling.room()[: len(piece)] = piece
        filling.filled += len(piece)
    assert len(filling.room()) == missing
    taken = filling.taken()
    assert type(taken) is bytes
    assert taken == data


@pytest.mark.parametrize("filled", [8 * MIB, 8 * MIB - 1])
def test_nothing_is_copied(filled: int) -> None:
    tracemalloc.start()
    try:
        filling = Filling(8 * MIB)
        filling.filled = filled
        assert len(filling.taken()) == filled
        assert tracemalloc.get_traced_memory()[1] < 9 * MIB
    finally:
        tracemalloc.stop()


def test_nothing_is_taken_from_under_a_writer() -> None:
    filling = Filling(8)
    room = filling.room()
    with pytest.raises(BufferError):
        filling.taken()
    room.release()
