"""Check an uploaded picture without holding up other requests."""

from __future__ import annotations

import asyncio

from retouch.media.blob import Blob
from retouch.media.pictures import inspect
from retouch.types import Picture

#: Below this the check takes about as long as the change to a thread and back: 1 MiB of PNG
#: takes half a millisecond, 50 MiB take 30, hostile ones up to 150.
INLINE_BYTES = 2 * 1024 * 1024


async def inspected(blob: Blob, param: str, *, inline: bool = False) -> Picture:
    """``media.pictures.inspect``, in a worker thread when it may take long.

    :param inline: whether the picture came as a ``data:`` URL.
    :raises InvalidImage: naming ``param``.
    """
    if blob.size <= INLINE_BYTES:
        return inspect(blob, param=param, inline=inline)
    return await asyncio.to_thread(inspect, blob, param=param, inline=inline)
