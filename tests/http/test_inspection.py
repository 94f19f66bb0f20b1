from __future__ import annotations

import threading
from typing import Any

import pytest

from retouch.errors import InvalidImage
from retouch.http import inspection
from retouch.http.inspection import INLINE_BYTES, inspected
from retouch.media import pictures
from retouch.media.blob import Blob
from tests.fakes.pictures import picture

PNG = picture(8, 8)


@pytest.mark.parametrize("size", [len(PNG), INLINE_BYTES, INLINE_BYTES + 1, 4 * INLINE_BYTES])
async def test_a_picture_of_any_size_is_checked(size: int) -> None:
    blob = Blob(PNG.ljust(size, b"\0"))  # bytes after a picture's own end are accepted
    found = await inspected(blob, "image", inline=True)
    assert (found.format, found.width, found.height, found.inline) == ("png", 8, 8, True)
    assert found.blob is blob


@pytest.mark.parametrize("size", [100, INLINE_BYTES + 1])
async def test_a_broken_one_is_refused_by_its_field(size: int) -> None:
    with pytest.raises(InvalidImage) as refused:
        await inspected(Blob(bytes(size)), "mask")
    assert refused.value.param == "mask"


async def test_only_large_pictures_leave_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def noting(*arguments: Any, **keywords: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return original(*arguments, **keywords)

    original = pictures.inspect
    monkeypatch.setattr(inspection, "inspect", noting)
    await inspected(Blob(PNG), "image")
    await inspected(Blob(PNG.ljust(INLINE_BYTES + 1, b"\0")), "image")
    assert threads == [True, False]
