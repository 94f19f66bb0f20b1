from __future__ import annotations

import pytest

from retouch.errors import InvalidImage
from retouch.http.inspection import SLICE_BYTES, inspected
from retouch.media.blob import Blob
from tests.fakes.bystander import turns_beside
from tests.fakes.pictures import picture

PNG = picture(8, 8)
SIZES = [len(PNG), SLICE_BYTES, SLICE_BYTES + 1, 4 * SLICE_BYTES]


@pytest.mark.parametrize("size", SIZES)
async def test_a_picture_of_any_size_is_checked(size: int) -> None:
    blob = Blob(PNG.ljust(size, b"\0"))  # bytes after a picture's own end are accepted
    found = await inspected(blob, "image", inline=True)
    assert (found.format, found.width, found.height, found.inline) == ("png", 8, 8, True)
    assert found.blob is blob


@pytest.mark.parametrize("size", [100, SLICE_BYTES + 1])
async def test_a_broken_one_is_refused_by_its_field(size: int) -> None:
    with pytest.raises(InvalidImage) as refused:
        await inspected(Blob(bytes(size)), "mask")
    assert refused.value.param == "mask"


@pytest.mark.parametrize(("size", "turns"), [(SLICE_BYTES, 0), (4 * SLICE_BYTES, 3)])
async def test_others_get_their_turn_between_slices(size: int, turns: int) -> None:
    assert await turns_beside(inspected(Blob(PNG.ljust(size, b"\0")), "image")) == turns
