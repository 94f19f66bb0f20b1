"""What several tests ask of a picture: what is learned of it, or how it is refused."""

from __future__ import annotations

import io
import random
import re
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from PIL import Image

from retouch import Blob, InvalidImage, Picture
from retouch.media.pictures import Inspection, inspect


def look(data: bytes, param: str = "image") -> Picture:
    """``inspect``, which must come to the same whether the picture comes whole or in pieces."""
    whole = _outcome(partial(inspect, Blob(data), param=param))
    for step in _STEPS:
        pieces = _outcome(partial(arriving, data, step, param))
        assert pieces == whole
    if isinstance(whole, dict):
        return inspect(Blob(data), param=param)
    return msgspec.structs.replace(whole, blob=Blob(data))


def _outcome(inspected: Callable[[], Picture]) -> Picture | dict[str, Any]:
    """What is learned of a picture, or the error in which it ends."""
    try:
        return msgspec.structs.replace(inspected(), blob=_NOTHING)
    except InvalidImage as refused:
        return refused.to_dict()


_NOTHING = Blob(b"")


#: Sizes of the pieces in which a picture may arrive; some end inside of every structure.
_STEPS = (1, 5, 64, 1_000, 100_000)


def arriving(data: bytes, step: int, param: str = "image") -> Picture:
    """``inspect`` for a picture that comes in pieces; of large ones only few small pieces."""
    inspection = Inspection(param)
    small = min(len(data), 3_000 * step)
    for start in range(0, small, step):
        inspection.feed(data[start : start + step])
    for start in range(small, len(data), 100_000):
        inspection.feed(data[start : start + 100_000])
    return inspection.finish(Blob(data))


def refusal(data: bytes, param: str = "image") -> str:
    """The message with which this picture is refused, checked to be ours."""
    with pytest.raises(InvalidImage) as caught:
        look(data, param)
    error = caught.value
    assert error.param == param
    assert error.message.startswith(f"`{param}` ")
    assert error.message.endswith(".")
    assert not re.search(r"0x[0-9a-f]{4}|Error|PIL|Traceback", error.message)
    return error.message


def saved(format: str, size: tuple[int, int] = (9, 7), **options: object) -> bytes:
    """A real picture of some noise, written by Pillow."""
    image = Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1]))
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def inspected(data: bytes) -> Picture | None:
    """The picture or a proper refusal; anything else is an error of the test."""
    try:
        picture = look(data)
    except InvalidImage as error:
        refused = error.to_dict()["error"]
    else:
        refused = None
    if refused:
        assert refused["param"] == "image"
        assert len(refused["message"]) < 200
        return None
    assert 0 < picture.width <= 16_384
    assert 0 < picture.height <= 16_384
    assert 1 <= picture.orientation <= 8
    return picture


def changed(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        # Headers decide most, so half of the changes go there.
        place = chance.randrange(min(len(out), chance.choice((100, len(out)))) or 1)
        change = chance.randrange(5)
        if change == 0:
            out[place : place + 1] = bytes((chance.randrange(256),))
        elif change == 1:
            del out[place:]
        elif change == 2:
            del out[place : place + chance.randrange(1, 30)]
        elif change == 3:
            out[place:place] = chance.randbytes(chance.randrange(1, 30))
        else:
            out[place : place + 4] = chance.choice((bytes(4), b"\xff" * 4, b"\x7f" + b"\xff" * 3))
    return bytes(out)


def with_right_checksums(data: bytes) -> bytes:
    out, place = bytearray(data), 8
    while place + 12 <= len(out):
        end = place + 8 + int.from_bytes(out[place : place + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[place + 4 : end]))
        place = end + 4
    return bytes(out)
