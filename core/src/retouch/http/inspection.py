"""Check a picture that came in one piece without holding up other requests."""

from __future__ import annotations

import asyncio

from retouch.media.blob import Blob
from retouch.media.pictures import Inspection
from retouch.types import Picture

#: Other requests get their turn after as many bytes. A mebibyte of PNG takes a third of a
#: millisecond, of a hostile one up to three. A thread would need the interpreter for every
#: chunk of a PNG in turn with the event loop, which costs both of them several times as much.
SLICE_BYTES = 1024 * 1024


async def inspected(blob: Blob, param: str, *, inline: bool = False) -> Picture:
    """``media.pictures.inspect`` in slices.

    :param inline: whether the picture came as a ``data:`` URL.
    :raises InvalidImage: naming ``param``.
    """
    inspection = Inspection(param)
    for offset in range(0, blob.size - SLICE_BYTES, SLICE_BYTES):
        inspection.feed(blob.read(offset, SLICE_BYTES))
        await asyncio.sleep(0)
    return inspection.finish(blob, inline=inline)
