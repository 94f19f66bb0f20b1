from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest

from retouch.errors import UpstreamInvalid
from retouch.upstream import sse
from retouch.upstream.sse import Frame, frames


async def arriving(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(*pieces: bytes) -> list[Frame]:
    return [frame async for frame in frames(arriving(pieces))]


STREAM = (
    b": hello\n\n"
    b'event: image_edit.partial_image\ndata: {"a": 1}\n\n'
    b"data: no name\n\n"
    b"event: no data\n\n"
    b"id: 7\nretry: 100\nevent:without a space\ndata:x\n\n"
    b"data: one\ndata:two\ndata\ndata:  four\n\n"
    b": comment\nevent: last\n: another\ndata: a: b\n\n"
    b"data: cut off"
)
FRAMES = [
    Frame("image_edit.partial_image", b'{"a": 1}'),
    Frame("", b"no name"),
    Frame("without a space", b"x"),
    Frame("", b"one\ntwo\n\n four"),
    Frame("last", b"a: b"),
]


async def test_frames() -> None:
    assert await read(STREAM) == FRAMES


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
async def test_wherever_the_network_cuts_a_stream(line_end: bytes) -> None:
    stream = STREAM.replace(b"\n", line_end)
    for at in range(len(stream) + 1):
        assert await read(stream[:at], stream[at:]) == FRAMES, at


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
async def test_however_the_network_cuts_a_stream(size: int, line_end: bytes) -> None:
    stream = STREAM.replace(b"\n", line_end)
    assert await read(*[stream[at : at + size] for at in range(0, len(stream), size)]) == FRAMES


async def test_line_ends_may_change_within_a_stream() -> None:
    stream = (
        b"event: a\r\ndata: 1\n\r\nevent: b\ndata: 2\r\n\nevent: c\r\ndata: 3\r\n\r\ndata: 4\n\n"
    )
    expected = [Frame("a", b"1"), Frame("b", b"2"), Frame("c", b"3"), Frame("", b"4")]
    assert await read(stream) == expected
    assert await read(*[bytes([byte]) for byte in stream]) == expected


async def test_a_frame_is_given_out_as_soon_as_it_is_whole() -> None:
    asked = []

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"data: 1\n", b"\n", b"data: 2\n\n"):
            asked.append(piece)
            yield piece

    stream = frames(pieces())
    assert (await anext(stream)).data == b"1"
    assert len(asked) == 2


async def test_several_frames_in_one_piece() -> None:
    assert [frame.data for frame in await read(b"data: x\n\n" * 1000)] == [b"x"] * 1000


@pytest.mark.parametrize("size", [1 << 16, (1 << 20) + 1])
async def test_large_frames(size: int) -> None:
    data = b"A" * 5_000_000
    stream = b"event: e\ndata: " + data + b"\r\n\r\ndata: next\n\n"
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert await read(*pieces) == [Frame("e", data), Frame("", b"next")]


async def test_a_frame_beyond_all_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_FRAME_BYTES", 10_000)
    assert len(await read(b"data: " + b"x" * 9_000 + b"\n\n", b"data: y\n\n")) == 2
    with pytest.raises(UpstreamInvalid) as invalid:
        await read(b"data: ", *[b"x" * 1000] * 100)
    assert invalid.value.retry is False


async def test_a_byte_order_mark_is_skipped() -> None:
    assert await read(b"\xef\xbb\xbfdata: x\n\n") == [Frame("", b"x")]


async def test_names_that_are_no_text() -> None:
    (frame,) = await read(b"event: \xff\xfe\ndata: x\n\n")
    assert frame.data == b"x"


@pytest.mark.parametrize(
    "stream", [b"", b"\n", b"\n\n\n\n", b": x\n\n: y\n\n", b"data: never ended"]
)
async def test_streams_without_a_frame(stream: bytes) -> None:
    assert await read(stream) == []
