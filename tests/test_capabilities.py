from __future__ import annotations

from typing import Any

import msgspec
import pytest

from retouch.capabilities import Capabilities, Range, SizeRule, check, takes
from retouch.errors import GatewayError, InvalidImage, InvalidRequest, UnsupportedParameter
from retouch.media.blob import Blob
from retouch.media.masks import check_mask
from retouch.media.pictures import inspect
from retouch.types import PARAMETERS, EditRequest, PictureFile, PictureUrl
from tests.fakes.pictures import mask, picture

PNG = inspect(Blob(picture(8, 8)))
MASK = check_mask(inspect(Blob(mask(8, 8)), param="mask"), PNG)
URL, FILE = PictureUrl("https://a.test/b.png"), PictureFile("file-1")
GOOGLE = SizeRule(
    multiple_of=16,
    min_side=256,
    max_side=3840,
    min_pixels=655_360,
    max_pixels=8_294_400,
    max_ratio=3,
)
CAN = Capabilities(
    sizes=("512x512", "1024x1024"),
    parameters={
        "quality": ("low", "high"),
        "background": True,
        "frame_count": Range(min=2, max=8),
        "moderation": False,
        "output_format": ("png", "gif"),
    },
)


def edit(**fields: Any) -> EditRequest:
    return EditRequest(**{"model": "m", "prompt": "x", "images": (PNG,), **fields})


def refusal(can: Capabilities, **fields: Any) -> GatewayError:
    with pytest.raises(GatewayError) as refused:
        check(edit(**fields), can)
    assert 400 <= refused.value.status < 500
    assert refused.value.message.endswith(".")
    return refused.value


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"quality": "low"},
        {"background": "transparent"},
        {"frame_count": 2},
        {"frame_count": 8},
        {"size": "512x512"},
        {"n": 10},
        {"output_format": "gif"},
        {"output_format": "webp", "output_compression": 1},
        {"output_format": "jpeg", "output_compression": 99},
        {"response_format": "b64_json"},
        {"partial_images": 3, "stream": True},
        {"user": "me", "safety_identifier": "me"},
    ],
)
def test_what_is_supported_passes_unchanged(fields: dict[str, Any]) -> None:
    asked = edit(**fields)
    assert check(asked, CAN) == (asked, ())


@pytest.mark.parametrize(
    "fields",
    [
        {"quality": "auto"},
        {"size": "auto"},
        {"background": "auto"},
        {"moderation": "auto"},
        {"input_fidelity": "low"},
    ],
)
def test_openais_defaults_are_never_an_error_and_never_sent(fields: dict[str, str]) -> None:
    (name,) = fields
    nothing = Capabilities()
    checked, dropped = check(edit(**fields), nothing)
    assert getattr(checked, name) is None
    assert dropped == ()


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"quality": "max"}, "low or high"),
        ({"frame_count": 9}, "2 to 8"),
        ({"moderation": "low"}, "does not have"),
        ({"complexity": "low"}, "does not have"),
        ({"input_fidelity": "high"}, "does not have"),
        ({"svg": {"model": "a"}}, "does not have"),
        ({"size": "256x256"}, "512x512 or 1024x1024"),
        ({"size": "512X512"}, "512x512 or 1024x1024"),
        ({"output_format": "svg"}, "png, jpeg or webp"),
        ({"response_format": "url"}, "b64_json"),
        ({"output_compression": 50}, "jpeg or webp"),
        ({"output_compression": 50, "output_format": "png"}, "jpeg or webp"),
        ({"output_compression": 50, "output_format": "gif"}, "jpeg or webp"),
    ],
)
def test_what_is_not_supported_is_refused_or_dropped_by_name(
    fields: dict[str, Any], part: str
) -> None:
    (name, *_) = fields
    error = refusal(CAN, **fields)
    assert isinstance(error, UnsupportedParameter)
    assert (error.param, error.code) == (name, "unsupported_parameter")
    assert part in error.message
    checked, dropped = check(edit(**fields), CAN, drop=True)
    assert dropped == (name,)
    assert getattr(checked, name) is None


def test_no_parameter_is_left_out_in_silence() -> None:
    """Of a model without any, each is an error, a default, or done by the core."""
    values: dict[str, Any] = {
        "n": 2, "size": "8x8", "quality": "low", "background": "opaque", "input_fidelity": "high",
        "output_format": "webp", "output_compression": 5, "partial_images": 1, "stream": True,
        "response_format": "url", "moderation": "low", "user": "u", "safety_identifier": "s",
        "complexity": "low", "frame_count": 3, "frame_duration_ms": 50, "svg": {"model": "m"},
    }  # fmt: skip
    assert set(values) == set(PARAMETERS)
    kept = set()
    for name, value in values.items():
        checked, dropped = check(edit(**{name: value}), Capabilities(), drop=True)
        assert (getattr(checked, name) == value) is (name not in dropped)
        kept |= set() if dropped else {name}
    assert kept == {"n", "output_format", "partial_images", "stream", "user", "safety_identifier"}


def test_a_model_that_passes_everything_on() -> None:
    can = Capabilities(parameters=None)
    asked = edit(
        quality="new", size="1x1", svg={"a": 1}, response_format="url", output_format="avif",
        output_compression=5,
    )  # fmt: skip
    assert check(asked, can) == (asked, ())
    assert takes(can, "anything", object())


def test_takes() -> None:
    assert takes(CAN, "quality", "low")
    assert not takes(CAN, "quality", "max")
    assert takes(CAN, "background", "anything")
    assert not takes(CAN, "moderation", "auto")
    assert not takes(CAN, "user", "me")
    assert not takes(CAN, "frame_count", "2")


# --- sizes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", ["auto", "1024x1024", "3840x2160", "2160x3840", "1536x512", "640x1024", "1024x640"]
)
def test_free_sizes(size: str) -> None:
    can = Capabilities(sizes=GOOGLE)
    assert check(edit(size=size), can)[0].size == size


@pytest.mark.parametrize(
    ("size", "part"),
    [
        ("1024", "WIDTHxHEIGHT"),
        ("x", "WIDTHxHEIGHT"),
        ("1024x", "WIDTHxHEIGHT"),
        ("1024X1024", "WIDTHxHEIGHT"),
        ("1024x1024x1024", "WIDTHxHEIGHT"),
        ("-1024x1024", "WIDTHxHEIGHT"),
        ("1024.0x1024", "WIDTHxHEIGHT"),
        (" 1024x1024", "WIDTHxHEIGHT"),
        ("1024\N{MULTIPLICATION SIGN}1024", "WIDTHxHEIGHT"),
        ("99999999x99999999", "WIDTHxHEIGHT"),
        ("1024x1023", "multiples of 16"),
        ("0x1024", "from 256 to 3840"),
        ("4096x1024", "from 256 to 3840"),
        ("240x1024", "from 256 to 3840"),
        ("512x512", "655360 to 8294400"),
        ("3840x3840", "655360 to 8294400"),
        ("3840x1024", "at most 3 times"),
    ],
)
def test_sizes_out_of_bounds(size: str, part: str) -> None:
    error = refusal(Capabilities(sizes=GOOGLE), size=size)
    assert error.param == "size"
    assert part in error.message


@pytest.mark.parametrize(
    ("orientation", "sizes"),
    [(1, ("auto", "12x8")), (3, ("auto", "12x8")), (6, ("auto", "12x8", "8x12"))],
)
def test_the_size_that_a_result_has_anyway(orientation: int, sizes: tuple[str, ...]) -> None:
    wide = msgspec.structs.replace(PNG, width=12, orientation=orientation)
    can = Capabilities(keeps_size=True, max_images=2)
    for size in ("auto", "12x8", "8x12", "12X8", "512x512", "012x8", "12x8x1"):
        if size in sizes:
            assert check(edit(images=(wide, PNG), size=size), can)[0].size == size
        else:
            error = refusal(can, images=(wide, PNG), size=size)
            assert (error.param, error.code) == ("size", "unsupported_parameter")
            assert f"as large as the picture, {sizes[-1]}" in error.message


def test_the_size_of_a_result_is_unknown_without_the_picture() -> None:
    can = Capabilities(keeps_size=True, image_urls=True)
    assert "no choice of size" in refusal(can, images=(URL,), size="8x8").message
    assert check(edit(images=(URL,), size="auto"), can)[0].size is None


def test_sizes_count_more_than_the_pictures_own() -> None:
    can = Capabilities(keeps_size=True, sizes=("512x512",))
    assert "512x512" in refusal(can, size="8x8").message


def test_a_model_without_sizes() -> None:
    error = refusal(Capabilities(), size="512x512")
    assert "no choice of size" in error.message


# --- pictures ----------------------------------------------------------------------------


def test_number_of_pictures() -> None:
    can = Capabilities(max_images=2)
    assert check(edit(images=(PNG, PNG)), can)[1] == ()
    error = refusal(can, images=(PNG, PNG, PNG))
    assert (error.param, error.code) == ("image", "too_many_images")


@pytest.mark.parametrize(
    "limit",
    [
        {"max_image_bytes": PNG.blob.size - 1},
        {"max_image_side": 7},
        {"max_image_pixels": 63},
        {"min_image_side": 9},
    ],
)
def test_limits_of_pictures(limit: dict[str, Any]) -> None:
    ((name, value),) = limit.items()
    step = 1 if name.startswith("max") else -1
    assert check(edit(), Capabilities(**{name: value + step}))[1] == ()
    error = refusal(Capabilities(**limit))
    assert isinstance(error, InvalidImage)
    assert error.param == "image"


def test_every_picture_counts() -> None:
    large = inspect(Blob(picture(16, 16)))
    can = Capabilities(max_images=3, max_image_side=8, markup=True)
    assert refusal(can, images=(PNG, large, PNG)).param == "image"
    assert refusal(can, markup=large).param == "markup"


def test_markup() -> None:
    assert refusal(Capabilities(), markup=PNG).param == "markup"
    assert check(edit(markup=PNG), Capabilities(markup=True))[0].markup is PNG


def test_references() -> None:
    assert refusal(Capabilities(), images=(URL,)).code == "image_url_not_supported"
    assert refusal(Capabilities(), images=(FILE,)).code == "file_id_not_supported"
    assert refusal(Capabilities(image_urls=True), images=(FILE,)).param == "image"
    can = Capabilities(image_urls=True, file_ids=True, max_images=2)
    assert check(edit(images=(URL, FILE)), can)[0].images == (URL, FILE)


def test_masks() -> None:
    assert refusal(Capabilities(), mask=MASK).param == "mask"
    assert refusal(Capabilities(mask="must")).code == "mask_required"
    for kind in ("may", "must"):
        assert check(edit(mask=MASK), Capabilities(mask=kind))[0].mask is MASK
    assert check(edit(), Capabilities(mask="may"))[0].mask is None
    error = refusal(Capabilities(mask="may"), mask=URL)
    assert (error.param, error.code) == ("mask", "image_url_not_supported")


def test_a_mask_is_refused_even_where_parameters_are_dropped() -> None:
    """Without it another picture would come back than was asked for."""
    with pytest.raises(UnsupportedParameter):
        check(edit(mask=MASK), Capabilities(), drop=True)


def test_the_longest_prompt() -> None:
    can = Capabilities(max_prompt_chars=5)
    assert check(edit(prompt="12345"), can)[1] == ()
    error = refusal(can, prompt="123456")
    assert isinstance(error, InvalidRequest)
    assert (error.param, error.code) == ("prompt", "string_above_max_length")


# --- data --------------------------------------------------------------------------------


def test_capabilities_are_data() -> None:
    table = {
        "max_images": 3,
        "mask": "must",
        "sizes": {"multiple_of": 8},
        "parameters": {"a": True, "b": ["x", "y"], "c": {"min": 1, "max": 2}},
    }
    can = msgspec.convert(table, Capabilities)
    assert can.sizes == SizeRule(multiple_of=8)
    assert can.parameters == {"a": True, "b": ("x", "y"), "c": Range(min=1, max=2)}
    assert msgspec.convert(msgspec.to_builtins(can), Capabilities) == can


@pytest.mark.parametrize(
    "table",
    [
        {"max_image": 3},
        {"mask": "sometimes"},
        {"sizes": {"multiple": 8}},
        {"parameters": {"a": {"min": 1}}},
        {"image_formats": ["gif"]},
    ],
)
def test_misspelt_capabilities_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, Capabilities)
