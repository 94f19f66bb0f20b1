from __future__ import annotations

import base64
import io
from typing import Any

import msgspec
import pytest
from PIL import Image

from retouch import Capabilities, EditedImage, EditRequest, EditResult
from retouch.capabilities import check
from retouch.errors import InvalidImage, UpstreamInvalid
from retouch.fitting import base64_text, converts, fit_edit, fit_result
from retouch.media.blob import Blob
from retouch.media.pictures import inspect
from retouch.types import Picture, PictureUrl
from tests.fakes.pictures import opened, picture

PNG, JPEG, WEBP = (picture(8, 6, format=kind) for kind in ("PNG", "JPEG", "WEBP"))
URL = PictureUrl("https://a.test/b.webp")
TAKES_FORMATS = Capabilities(parameters={"output_format": ("png", "webp")})
TAKES_ALL = Capabilities(parameters={"output_format": True, "output_compression": True})


def edit(*pictures: bytes, **fields: Any) -> EditRequest:
    images = tuple(inspect(Blob(data)) for data in pictures or (PNG,))
    return EditRequest(model="m", prompt="x", **{"images": images, **fields})


def kinds(edit: EditRequest) -> list[str]:
    return [item.format for item in edit.images if isinstance(item, Picture)]


async def test_pictures_in_a_format_that_the_model_takes_are_not_touched() -> None:
    asked = edit(PNG, JPEG, WEBP)
    fitted = await fit_edit(asked, Capabilities())
    assert fitted is asked


async def test_other_pictures_are_converted_to_the_first_format() -> None:
    fitted = await fit_edit(edit(WEBP, PNG, JPEG), Capabilities(image_formats=("png", "jpeg")))
    assert kinds(fitted) == ["png", "png", "jpeg"]
    first, second, third = fitted.images
    assert isinstance(first, Picture)
    assert isinstance(second, Picture)
    assert isinstance(third, Picture)
    assert (first.width, first.height) == (8, 6)
    assert opened(first.blob.read()).format == "PNG"
    assert opened(first.blob.read()).tobytes() == opened(WEBP).tobytes()
    assert (second.blob.read(), third.blob.read()) == (PNG, JPEG)


async def test_references_are_the_providers() -> None:
    asked = edit(images=(URL,))
    assert (await fit_edit(asked, Capabilities(image_formats=("png",)))) is asked


async def test_parameters_that_the_core_does_are_not_sent() -> None:
    asked = edit(
        output_format="webp", output_compression=50, response_format="b64_json", partial_images=1,
        user="me", safety_identifier="me", n=2, size="8x8",
    )  # fmt: skip
    assert (await fit_edit(asked, Capabilities())).parameters() == {"n": 2, "size": "8x8"}
    assert (await fit_edit(asked, Capabilities(parameters=None))) is asked
    fitted = await fit_edit(asked, TAKES_FORMATS)
    assert fitted.parameters() == {"n": 2, "size": "8x8", "output_format": "webp"}


@pytest.mark.parametrize(
    ("fields", "can", "expected"),
    [
        ({}, Capabilities(), False),
        ({"output_format": "png"}, Capabilities(), True),
        ({"output_format": "webp"}, TAKES_FORMATS, False),
        ({"output_format": "jpeg"}, TAKES_FORMATS, True),
        ({"output_format": "webp", "output_compression": 100}, TAKES_FORMATS, False),
        ({"output_format": "webp", "output_compression": 50}, TAKES_FORMATS, True),
        ({"output_format": "webp", "output_compression": 50}, TAKES_ALL, False),
        ({"output_compression": 50}, TAKES_ALL, False),
    ],
)
def test_when_the_core_writes_results_anew(
    fields: dict[str, Any], can: Capabilities, expected: bool
) -> None:
    assert converts(edit(**fields), can) is expected


def result(*data: Any, **fields: Any) -> EditResult:
    return EditResult(images=tuple(EditedImage(data=item) for item in data), **fields)


def made(result: EditResult) -> list[Image.Image]:
    found = []
    for image in result.images:
        assert image.data is not None
        found.append(opened(base64.b64decode(base64_text(image.data))))
    return found


TEXT = base64.b64encode(PNG)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
@pytest.mark.parametrize(
    "data", [TEXT, TEXT.decode(), memoryview(TEXT), Blob(PNG)], ids=["bytes", "str", "view", "blob"]
)
async def test_results_in_the_format_that_was_asked_for(kind: str, data: Any) -> None:
    fitted = await fit_result(result(data, data), edit(output_format=kind), Capabilities())
    assert [picture.format for picture in made(fitted)] == [kind.upper()] * 2
    assert [picture.size for picture in made(fitted)] == [(8, 6)] * 2
    assert fitted.output_format == kind


async def test_compression_makes_smaller_files() -> None:
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "PNG")
    sizes = []
    for quality in (100, 60, 5):
        asked = edit(output_format="jpeg", output_compression=quality)
        fitted = await fit_result(result(Blob(out.getvalue())), asked, Capabilities())
        (image,) = fitted.images
        assert isinstance(image.data, Blob)
        sizes.append(image.data.size)
    assert sizes[0] > sizes[1] > sizes[2]


async def test_results_that_are_right_are_not_touched() -> None:
    given = result(TEXT, output_format="webp")
    for asked, can in (
        (edit(), Capabilities()),
        (edit(output_format="webp"), Capabilities()),
        (edit(output_format="webp", output_compression=100), Capabilities()),
        (edit(output_format="png"), TAKES_FORMATS),
    ):
        assert await fit_result(given, asked, can) is given


@pytest.mark.parametrize(
    "data",
    [
        None,
        "not base64",
        "AAAA",
        b"",
        TEXT[:-8],
        Blob(b""),
        Blob(PNG[:-9]),
        "\N{HIRAGANA LETTER A}",
    ],
)
async def test_results_that_cannot_be_converted(data: Any) -> None:
    asked = edit(output_format="webp")
    with pytest.raises(UpstreamInvalid) as invalid:
        await fit_result(result(data), asked, Capabilities())
    assert invalid.value.retry is False


def test_base64_text() -> None:
    for data in (Blob(b"abc"), "YWJj", b"YWJj", memoryview(b"xYWJjx")[1:5]):
        assert base64_text(data) == "YWJj"
    for bad in (b"YW\xff=", memoryview(b"\xc3\xa9")):
        with pytest.raises(UpstreamInvalid):
            base64_text(bad)


LARGE = base64.b64encode(bytes(range(256)) * 2_400)  # four pieces of the check


@pytest.mark.parametrize("kind", [str, bytes, memoryview])
async def test_text_that_is_base64_all_through_is_not_touched(kind: Any) -> None:
    padded = LARGE + base64.b64encode(b"x")
    for text in (LARGE, padded, padded[:-4] + b"YWI="):
        given = result(text.decode() if kind is str else kind(text))
        assert await fit_result(given, edit(), Capabilities()) is given


@pytest.mark.parametrize("at", [0, 70, 262_143, 262_144, 400_001, len(LARGE) - 1])
@pytest.mark.parametrize("bad", [b"\n", b"\x00", b"\xff", b"\xc3", b'"', b"\\", b"-", b" "])
async def test_text_with_something_else_in_its_middle(at: int, bad: bytes) -> None:
    """It would stand in the JSON answer as it is, and no client could read that."""
    text = LARGE[:at] + bad + LARGE[at + 1 :]
    with pytest.raises(UpstreamInvalid) as invalid:
        await fit_result(result(text), edit(), Capabilities())
    assert invalid.value.retry is False


@pytest.mark.parametrize("text", [b"", b"YQ", b"YQ=", b"YWJjZ"])
async def test_text_that_is_not_whole(text: bytes) -> None:
    for data in (text, text.decode()):
        with pytest.raises(UpstreamInvalid):
            await fit_result(result(data), edit(), Capabilities())


async def test_padding_stands_at_the_end_only() -> None:
    """Also where a piece of the check ends."""
    for at in (4, 262_144):
        text = LARGE[: at - 1] + b"=" + LARGE[at:]
        with pytest.raises(UpstreamInvalid):
            await fit_result(result(text), edit(), Capabilities())


async def test_a_converted_picture_may_not_be_too_large_either() -> None:
    """Noise has fewer bytes as WebP than as the PNG that the model takes."""
    out = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(out, "WEBP", quality=10)
    limit = len(out.getvalue()) + 100
    can = Capabilities(image_formats=("png",), max_image_bytes=limit)
    asked, _ = check(edit(out.getvalue()), can)
    with pytest.raises(InvalidImage) as refused:
        await fit_edit(asked, can)
    assert (refused.value.param, refused.value.status) == ("image", 400)
    assert f"at most {limit} bytes" in refused.value.message
    larger = msgspec.structs.replace(can, max_image_bytes=64 * 64 * 3 + 4096)
    assert kinds(await fit_edit(asked, larger)) == ["png"]
