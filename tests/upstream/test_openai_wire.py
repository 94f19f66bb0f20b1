from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from retouch.errors import (
    UpstreamError,
    UpstreamInvalid,
    UpstreamRefused,
)
from retouch.media.blob import Blob
from retouch.media.masks import check_mask
from retouch.media.pictures import inspect
from retouch.pricing import Price
from retouch.types import (
    EditRequest,
    Picture,
    PictureFile,
    PictureUrl,
    UpstreamResponse,
)
from retouch.upstream.body import Body
from retouch.upstream.openai_wire import (
    by_reference,
    form_body,
    read_result,
    reference_body,
)
from tests.fakes import multipart_form, pictures
from tests.fakes.multipart_form import Part

PNG, JPEG = pictures.picture(8, 8), pictures.picture(8, 8, format="JPEG")
WEBP, MASK = pictures.picture(8, 8, format="WEBP"), pictures.mask(8, 8)
URL, FILE = PictureUrl("https://a.test/b.png"), PictureFile("file-1")
PRICE = Price(text_in=5, image_in=8, image_out=30)
USAGE = {
    "input_tokens": 371,
    "input_tokens_details": {"text_tokens": 19, "image_tokens": 352},
    "output_tokens": 439,
    "total_tokens": 810,
    "new_in_2027": [1],
}
COST = 0.016081  # 19 text, 352 image and 439 output tokens at 5, 8 and 30 dollars a million
LONG = base64.b64encode(bytes(range(256)) * 40).decode()


def given(data: bytes, *, inline: bool = False) -> Picture:
    return inspect(Blob(data), inline=inline)


def edit(**fields: Any) -> EditRequest:
    return EditRequest(**{"model": "m", "prompt": "x", "images": (given(PNG),), **fields})


def joined(body: Body) -> bytes:
    return b"".join(bytes(piece) for piece in body.chunks())


def form(asked: EditRequest, model: str | None = "m") -> list[Part]:
    body = form_body(asked, model=model)
    return multipart_form.parse(joined(body), body.content_type or "")


def document(asked: EditRequest) -> dict[str, Any]:
    body = reference_body(asked, model="m")
    assert body.content_type == "application/json"
    value: dict[str, Any] = json.loads(joined(body))
    return value


# --- requests ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ((URL,), True),
        ((FILE, URL), True),
        ((given(PNG, inline=True), URL), True),
        ((given(PNG, inline=True),), True),
        ((given(PNG),), False),
        ((given(PNG, inline=True), given(PNG)), False),
    ],
)
def test_which_of_the_two_forms(images: tuple[Any, ...], expected: bool) -> None:
    assert by_reference(edit(images=images)) is expected


def test_a_form() -> None:
    asked = edit(
        prompt="Käse",
        images=(given(JPEG), given(PNG), given(WEBP)),
        mask=check_mask(given(MASK), given(PNG)),
        n=2,
        stream=False,
        svg={"model": "author", "reasoning": {"effort": "low"}},
    )
    assert [(p.name, p.filename, p.content_type, p.data) for p in form(asked)] == [
        ("prompt", None, None, "Käse".encode()),
        ("model", None, None, b"m"),
        ("n", None, None, b"2"),
        ("stream", None, None, b"false"),
        ("svg[model]", None, None, b"author"),
        ("svg[reasoning][effort]", None, None, b"low"),
        ("image[]", "image_0.jpg", "image/jpeg", JPEG),
        ("image[]", "image_1.png", "image/png", PNG),
        ("image[]", "image_2.webp", "image/webp", WEBP),
        ("mask", "mask.png", "image/png", MASK),
    ]


def test_markup_and_a_form_without_a_model() -> None:
    names = [part.name for part in form(edit(markup=given(MASK)), model=None)]
    assert names == ["prompt", "image[]", "markup"]


def test_fields_that_nobody_here_knows_are_written_as_the_sdks_write_them() -> None:
    extra = {
        "new": "1",
        "list": ["a", "b"],
        "nested": {"list": [1, 2], "d": {"f": False, "e": None}, "x": 0.01},
        "empty": [],
        "none": None,
    }
    fields = [(part.name, part.text) for part in form(edit(extra=extra)) if part.filename is None]
    assert fields[2:] == [
        ("new", "1"),
        ("list[]", "a"),
        ("list[]", "b"),
        ("nested[list][]", "1"),
        ("nested[list][]", "2"),
        ("nested[d][f]", "false"),
        ("nested[x]", "0.01"),
    ]


def test_what_is_the_gateways_own_is_not_sent() -> None:
    asked = edit(
        metadata={"secret": "note"},
        headers={"x-trace": "trace"},
        request_id="req_mine",
        options=None,
    )
    assert [part.name for part in form(asked)] == ["prompt", "model", "image[]"]
    by_name = document(edit(images=(URL,), metadata={"a": 1}, headers={"b": "c"}, request_id="r"))
    assert set(by_name) == {"prompt", "model", "images"}


def test_references() -> None:
    asked = edit(
        images=(URL, FILE, given(JPEG, inline=True)),
        mask=PictureFile("file-2"),
        n=2,
        stream=True,
        extra={"new": {"a": [1]}},
    )
    jpeg = "data:image/jpeg;base64," + base64.b64encode(JPEG).decode()
    assert document(asked) == {
        "model": "m",
        "prompt": "x",
        "images": [
            {"image_url": "https://a.test/b.png"},
            {"file_id": "file-1"},
            {"image_url": jpeg},
        ],
        "mask": {"file_id": "file-2"},
        "n": 2,
        "stream": True,
        "new": {"a": [1]},
    }


def test_a_mask_and_markup_that_are_here_go_inline() -> None:
    inline = "data:image/png;base64," + base64.b64encode(MASK).decode()
    asked = edit(images=(URL,), mask=check_mask(given(MASK), None))
    assert document(asked)["mask"] == {"image_url": inline}
    asked = edit(images=(URL,), markup=given(MASK, inline=True))
    assert document(asked)["markup"] == {"image_url": inline}


# --- answers -----------------------------------------------------------------------------


def answer(value: Any, status: int = 200) -> UpstreamResponse:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return UpstreamResponse(status=status, body=body)


def test_a_result() -> None:
    got = read_result(
        answer(
            {
                "created": 1_795_000_000,
                "background": "opaque",
                "data": [{"b64_json": LONG, "revised_prompt": "y"}, {"b64_json": "QUJD"}],
                "output_format": "png",
                "quality": "high",
                "size": "8x8",
                "usage": USAGE,
                "safety_identifier": "me",
                "unheard_of": 1,
            }
        ),
        PRICE,
    )
    first, second = got.images
    assert isinstance(first.data, memoryview)
    assert bytes(first.data).decode() == LONG
    assert (first.revised_prompt, second.data) == ("y", "QUJD")
    assert (got.created, got.background, got.output_format) == (1_795_000_000, "opaque", "png")
    assert (got.quality, got.size) == ("high", "8x8")
    assert got.usage == USAGE
    assert got.cost == pytest.approx(COST, abs=1e-12)
    assert got.extra == {"safety_identifier": "me"}


def test_links_pass() -> None:
    got = read_result(answer({"data": [{"url": "https://a.test/b.png"}]}), None)
    assert (got.images[0].url, got.images[0].data) == ("https://a.test/b.png", None)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"input_tokens": 1},
        {"input_tokens": 1, "output_tokens": 2},
        {"input_tokens": "many", "output_tokens": 2},
        {"input_tokens_details": {"text_tokens": 1, "image_tokens": 1}},
        {"input_tokens_details": 5, "output_tokens": 2},
    ],
)
def test_a_strange_usage_costs_an_unknown_sum(usage: Any) -> None:
    """The picture is there and paid for; and unknown is not nothing."""
    for price in (PRICE, None):
        got = read_result(answer({"data": [{"b64_json": "QUJD"}], "usage": usage}), price)
        assert got.images
        assert got.cost is None


def test_a_usage_of_another_shape_is_passed_on_all_the_same() -> None:
    usage = {"input_tokens": "many", "output_tokens": 2}
    got = read_result(answer({"data": [{"b64_json": "QUJD"}], "usage": usage}), PRICE)
    assert (got.usage, got.cost) == (usage, None)


def test_a_usage_in_bad_utf_8_loses_no_picture() -> None:
    """The picture is paid for; the number of tokens can be read all the same."""
    usage = json.dumps({**USAGE, "note": "NOTE"}).encode().replace(b"NOTE", b"\xff")
    body = b'{"data": [{"b64_json": "QUJD"}], "usage": ' + usage + b"}"
    got = read_result(answer(body), PRICE)
    assert [image.data for image in got.images] == ["QUJD"]
    assert got.usage is None
    assert got.cost == pytest.approx(COST, abs=1e-12)
    bad = body.replace(b"NOTE", b"\xff").replace(b'"input_tokens": 371', b'"input_tokens": "\xff"')
    assert read_result(answer(bad), PRICE).cost is None


@pytest.mark.parametrize("usage", [None, USAGE, {"input_tokens": "many"}])
def test_a_price_per_picture_is_counted_by_pictures(usage: Any) -> None:
    two = answer({"data": [{"b64_json": "QUJD"}] * 2, "usage": usage})
    got = read_result(two, Price(per_image=0.04, image_out=30))
    assert (got.cost, got.usage) == (0.08, usage)


def test_planning_by_another_model_has_no_known_price() -> None:
    got = read_result(
        answer({"data": [{"b64_json": "QUJD"}], "usage": USAGE, "svg_usage": {"model": "a"}}), PRICE
    )
    assert (got.cost, got.extra) == (None, {"svg_usage": {"model": "a"}})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": []}',
        b'{"data": [{}]}',
        b'{"data": [{"b64_json": null}]}',
        b'{"data": [{"b64_json": 5}]}',
        b'{"data": [{"b64_json": ""}]}',
        b'{"data": [{"b64_json": "not base64!"}]}',
        b'{"data": [{"b64_json": "QUJD"}, {}]}',
        b'{"data": [{"b64_json": "QUJD"}]',
        b'{"data": [{"b64_json": "\xff"}]}',
        b"[" * 100_000,
        b'{"data": [{"b64_json": "' + LONG.encode(),
    ],
)
def test_an_answer_without_pictures_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid) as invalid:
        read_result(answer(body), PRICE)
    assert invalid.value.retry is False


def test_an_error_is_read() -> None:
    error = {"message": "No.", "type": "t", "param": "size", "code": "c"}
    with pytest.raises(UpstreamRefused) as refused:
        read_result(answer({"error": error}, 400), PRICE)
    assert refused.value.to_dict() == {"error": error}


@pytest.mark.parametrize("status", [201, 202, 204, 302])
def test_another_status_is_no_result(status: int) -> None:
    with pytest.raises(UpstreamError):
        read_result(answer({"data": [{"b64_json": "QUJD"}]}, status), PRICE)
