from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from retouch.errors import InvalidRequest
from retouch.types import Picture, PictureFile, PictureUrl
from tests.fakes.pictures import mask, picture
from tests.http.asgi import Read, read, refusal

TYPE = "application/json"
PNG, JPEG = picture(8, 8), picture(8, 8, format="JPEG")
IMAGES: list[dict[str, Any]] = [{"file_id": "file-abc_1"}]
GOOD = {"images": IMAGES, "prompt": "x"}


def data_url(data: bytes, head: str = "data:image/png;base64,") -> str:
    return head + base64.b64encode(data).decode()


async def edit(**fields: Any) -> Read:
    return await read(json.dumps({**GOOD, **fields}).encode(), TYPE)


async def refused(body: bytes) -> InvalidRequest:
    error = await refusal(body, TYPE)
    assert isinstance(error, InvalidRequest)
    assert error.status == 400
    return error


async def refused_edit(**fields: Any) -> InvalidRequest:
    return await refused(json.dumps({**GOOD, **fields}).encode())


async def test_every_kind_of_reference() -> None:
    url = "https://example.test/a.png?x=1"
    got = await edit(
        images=[{"image_url": url}, {"file_id": "file-1"}, {"image_url": data_url(PNG)}],
        mask={"image_url": data_url(mask(8, 8))},
        markup={"image_url": data_url(PNG)},
    )
    first, second, third = got.submission.images
    assert first == PictureUrl(url)
    assert second == PictureFile("file-1")
    assert isinstance(third, Picture)
    assert third.inline
    assert got.images == [PNG]
    assert isinstance(got.submission.mask, Picture)
    assert isinstance(got.submission.markup, Picture)
    assert not got.submission.text


async def test_fields_keep_their_json_types() -> None:
    fields = {
        "prompt": "Käse \N{SPARKLES}\n",
        "n": 2,
        "stream": True,
        "size": None,
        "svg": {"model": "m", "reasoning": {"effort": "low"}},
        "a.new.one": [1.5, {"b": []}],
        "metadata": {"ticket": "T-1"},
        "": "an empty name",
    }
    assert (await edit(**fields)).fields == fields


async def test_pieces_of_a_body() -> None:
    body = json.dumps({**GOOD, "images": [{"image_url": data_url(PNG)}]}).encode()
    for size in (1, 7, 100):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        assert (await read(pieces, TYPE)).images == [PNG]


async def test_a_document_cut_anywhere_is_none() -> None:
    body = json.dumps(GOOD).encode()
    for at in range(len(body)):
        assert (await refused(body[:at])).code == "invalid_json", at


#: In the manner of the JSON test suite of RFC 8259 parsers: what no parser may accept.
MALFORMED = (
    b"", b" ", b"[", b"]", b"{", b"}", b"{]", b"nul", b"True", b"{,}", b"{1:1}", b"{a:1}",
    b"{'a':1}", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{"a":1 "b":2}', b'{"a":1}}', b'{"a":1}#',
    b'{"a":1}{}', b'{"a":1}//x', b'{"a":/*x*/1}', b'{"a":01}', b'{"a":-}', b'{"a":+1}', b'{"a":.5}',
    b'{"a":1.}', b'{"a":1e}', b'{"a":0x1}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}',
    b'{"a":1_0}', b'{"a":"\n"}', b'{"a":"\t"}', b'{"a":"\x00"}', b'{"a":"\\x"}', b'{"a":"\\u12"}',
    b'{"a":"\\u12G4"}', b'{"a":"\\"}', b'{"a":"', b'{"a":tru}', b'{"a":[1,]}', b'{"a":[,1]}',
    b'{"a":[1 2]}', b"\xef\xbb\xbf{}", b"\x0c{}", b"\xa0{}", b"{}\x00", b"\x00{}",
    '{"a":"\N{LEFT DOUBLE QUOTATION MARK}"'.encode(), b'{"a"\x00:1}',
)  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED)
async def test_malformed_documents(body: bytes) -> None:
    assert (await refused(body)).code == "invalid_json"


@pytest.mark.parametrize("value", MALFORMED[1:])
async def test_malformed_values_in_an_otherwise_good_document(value: bytes) -> None:
    """No value is passed on unread, not even one that only the provider knows."""
    body = b'{"images":[{"file_id":"f"}],"prompt":"x","new":' + value + b"}"
    await refused(body)


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b'"x"', b"null", b"true", b'[{"images": []}]'], ids=bytes.decode
)
async def test_documents_that_are_no_object(body: bytes) -> None:
    assert (await refused(body)).code == "invalid_json"


TEXTS = {
    "invalid UTF-8": b'"\xff"',
    "half a character": b'"\xc3"',
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "an overlong NUL": b'"\xc0\x80"',
    "a lone high surrogate": b'"\\ud800"',
    "a lone low surrogate": b'"\\udc00"',
    "surrogates in the wrong order": b'"\\udc00\\ud800"',
    "a high surrogate and a letter": b'"\\ud800a"',
    "a number beyond doubles": b"1e400",
    "a negative number beyond doubles": b"-1e400",
    "a number of a million digits": b"9" * 1_000_000,
}


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("place", [b"%b", b"[%b]", b'{"b":%b}', b'{"b":[1,%b]}'])
@pytest.mark.parametrize("name", [b"prompt", b"user", b"unheard-of", b"metadata", b"mask"])
async def test_values_that_are_no_text_or_number(name: bytes, place: bytes, value: bytes) -> None:
    fields = {b"prompt": b'"x"', b"images": b'[{"file_id":"f"}]', name: place.replace(b"%b", value)}
    body = b"{" + b",".join(b'"%b":%b' % pair for pair in fields.items()) + b"}"
    error = await refused(body)
    assert error.param in (name.decode(), None)


@pytest.mark.parametrize("name", [b'"\xff"', b'"\\ud800"', b'"\xed\xa0\x80"'])
async def test_names_are_text_too(name: bytes) -> None:
    await refused(b'{"images":[{"file_id":"f"}],"prompt":"x",' + name + b":1}")
    await refused(b'{"images":[{"file_id":"f"}],"prompt":"x","a":{' + name + b":1}}")
    await refused(b'{"images":[{"file_id":"f",' + name + b':"y"}],"prompt":"x"}')


@pytest.mark.parametrize("depth", [2_000, 100_000, 1_000_000])
@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
async def test_depth_does_not_fell_the_reader(depth: int, opened: bytes, closed: bytes) -> None:
    deep = opened * depth + b"1" + closed * depth
    for body in (
        deep,
        opened * depth,
        b'{"images":[{"file_id":"f"}],"prompt":"x","new":' + deep + b"}",
        b'{"images":' + deep + b',"prompt":"x"}',
        b'{"images":[{"file_id":"f"}],"mask":' + deep + b',"prompt":"x"}',
    ):
        await refused(body)


async def test_pairs_of_surrogates_are_one_character() -> None:
    got = await read(b'{"images":[{"file_id":"f"}],"prompt":"\\ud83d\\ude00"}', TYPE)
    assert got.fields == {"prompt": "\N{GRINNING FACE}"}


async def test_of_a_name_that_stands_twice_the_last_one_counts() -> None:
    """For pictures, routing and everything behind alike; nobody sees the first one."""
    body = (
        b'{"model":"a/b","images":[{"file_id":"x"},{"file_id":"y"}],"prompt":"x",'
        b'"images":[{"file_id":"z"}],"model":"c/d"}'
    )
    got = await read(body, TYPE)
    assert got.submission.model == "c/d"
    assert got.submission.images == (PictureFile("z"),)


async def test_the_name_image_belongs_to_forms() -> None:
    values: list[Any] = ["x", None, [], {"file_id": "f"}]
    for value in values:
        error = await refused_edit(image=value)
        assert (error.param, error.code) == ("image", "unknown_parameter")
        assert "`images`" in error.message


async def test_images_are_required() -> None:
    error = await refused(b'{"prompt": "x"}')
    assert (error.param, error.code) == ("images", "missing_required_parameter")


BAD_REFERENCES: dict[str, Any] = {
    "neither": {},
    "both": {"image_url": "https://a.test/b", "file_id": "f"},
    "another key": {"file_id": "f", "detail": "high"},
    "only another key": {"url": "https://a.test/b"},
    "null": None,
    "both null": {"image_url": None, "file_id": None},
    "a bare address": "https://a.test/b",
    "a number": 1,
    "a list": [{"file_id": "f"}],
    "an address that is a number": {"image_url": 1},
    "an address that is an object": {"image_url": {"url": "https://a.test/b"}},
    "an id that is a number": {"file_id": 1},
    "an empty id": {"file_id": ""},
    "an id that is a path": {"file_id": "../files"},
    "an id with a space": {"file_id": "a b"},
    "an id with a line end": {"file_id": "file-1\n"},
    "an id that is too long": {"file_id": "f" * 129},
}


@pytest.mark.parametrize("reference", BAD_REFERENCES.values(), ids=BAD_REFERENCES.keys())
async def test_a_reference_names_one_picture_in_one_way(reference: Any) -> None:
    assert (await refused_edit(images=[*IMAGES, reference])).param == "images"
    if reference is not None:  # null is a mask that was not sent
        assert (await refused_edit(mask=reference)).param == "mask"
        assert (await refused_edit(markup=reference)).param == "markup"


@pytest.mark.parametrize("images", [None, {}, "x", 1, {"file_id": "f"}, []])
async def test_images_are_a_list_of_at_least_one(images: Any) -> None:
    assert (await refused_edit(images=images)).param == "images"


async def test_an_empty_list_is_not_too_long() -> None:
    error = await refused_edit(images=[])
    assert (error.param, error.code) == ("images", "missing_required_parameter")


async def test_sixteen_images_and_no_more() -> None:
    assert len((await edit(images=IMAGES * 16)).submission.images) == 16
    error = await refused_edit(images=IMAGES * 17)
    assert (error.param, error.code) == ("images", "too_many_images")


async def test_null_is_a_mask_that_was_not_sent() -> None:
    for body in (b"null", b" null ", b"\tnull\r\n"):
        got = await read(b'{"images":[{"file_id":"f"}],"mask":' + body + b',"markup":null}', TYPE)
        assert (got.submission.mask, got.submission.markup) == (None, None)


@pytest.mark.parametrize("name", ["mask", "markup"])
async def test_markup_must_be_here_while_a_mask_may_be_elsewhere(name: str) -> None:
    for reference in ({"file_id": "f"}, {"image_url": "https://a.test/b.png"}):
        if name == "markup":
            assert (await refused_edit(markup=reference)).param == "markup"
        else:
            assert (await edit(mask=reference)).submission.mask is not None


GOOD_DATA_URLS = (
    "data:image/png;base64,",
    "data:image/jpeg;base64,",
    "data:image/svg+xml;base64,",
    "data:application/octet-stream;base64,",
    "data:image/png;charset=utf-8;name=a.png;base64,",
)


@pytest.mark.parametrize("head", GOOD_DATA_URLS)
async def test_data_urls_are_decoded_and_the_bytes_decide(head: str) -> None:
    got = await edit(images=[{"image_url": data_url(JPEG, head)}])
    (found,) = got.submission.images
    assert isinstance(found, Picture)
    assert found.format == "jpeg"
    assert got.images == [JPEG]


BASE64 = base64.b64encode(PNG).decode()
BAD_DATA_URLS: dict[str, str] = {
    "nothing": "data:",
    "no comma": "data:image/png;base64",
    "no type": "data:;base64," + BASE64,
    "half a type": "data:image;base64," + BASE64,
    "not base64": "data:image/png," + BASE64,
    "base64 in the wrong place": "data:base64;image/png," + BASE64,
    "empty": "data:image/png;base64,",
    "a space before": " data:image/png;base64," + BASE64,
    "a space in the head": "data: image/png;base64," + BASE64,
    "a space after the comma": "data:image/png;base64, " + BASE64,
    "a line end inside": "data:image/png;base64," + BASE64[:76] + "\n" + BASE64[76:],
    "a line end after": "data:image/png;base64," + BASE64 + "\n",
    "the alphabet for addresses": "data:image/png;base64,_-_-",
    "percent-encoded": "data:image/png;base64,iV%2BORw%3D",
    "too much padding": "data:image/png;base64," + BASE64.rstrip("=") + "====",
    "padding inside": "data:image/png;base64,iV==BORw",
    "one letter too few": "data:image/png;base64," + BASE64[:-1],
    "one letter": "data:image/png;base64,A",
    "a letter of another alphabet": "data:image/png;base64,\N{CYRILLIC SMALL LETTER A}AAA",
    "a fullwidth letter": "data:image/png;base64,\N{FULLWIDTH LATIN CAPITAL LETTER A}AAA",
    "a data URL inside": "data:image/png;base64," + base64.b64encode(b"data:image/png,x").decode(),
    "text": data_url(b"hello"),
    "a GIF": data_url(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"),
    "a cut PNG": data_url(PNG[:-4]),
    "a long head": "data:image/png;" + "a=b;" * 1000 + "base64," + BASE64,
}


@pytest.mark.parametrize("url", BAD_DATA_URLS.values(), ids=BAD_DATA_URLS.keys())
async def test_data_urls_that_hold_no_picture(url: str) -> None:
    assert (await refused_edit(images=[{"image_url": url}])).param == "images"
    assert (await refused_edit(mask={"image_url": url})).param == "mask"


async def test_the_scheme_of_a_data_url_in_any_case() -> None:
    """Either decoded exactly or refused: never passed on as an address."""
    for scheme in ("DATA:", "Data:"):
        url = data_url(PNG, f"{scheme}image/png;base64,")
        error = await refused_edit(images=[{"image_url": url}])
        assert error.code == "invalid_image_url"


GOOD_ADDRESSES = (
    "https://a.test/b.png",
    "https://a.test:8443/b%20c.png?x=y&z=%C3%A9#f",
    "https://a.test/@user/b.png",
    "https://a.test/b.png?by=me@a.test",
    "https://[2001:db8::1]/b.png",
    "https://a.test/" + "x" * 8000,
)


@pytest.mark.parametrize("url", GOOD_ADDRESSES)
async def test_addresses_are_passed_on_untouched(url: str) -> None:
    assert (await edit(images=[{"image_url": url}])).submission.images == (PictureUrl(url),)


BAD_ADDRESSES = (
    "", "a.png", "/a.png", "//a.test/b.png", "http://a.test/b.png", "ftp://a.test/b.png",
    "file:///etc/passwd", "gopher://a.test", "javascript:alert(1)", "blob:https://a.test/b",
    "https:a.test/b.png", "https:/a.test", "https://user:pw@a.test/b.png", "https://user@a.test",
    "https://a.test\\@b.test/", "https://a.test/b c.png", "https://a.test/b\nc", "https://a.test/\0",
    "https://a.test/b\r\nX-Y: z", "https://\N{LATIN SMALL LETTER E WITH ACUTE}.test/", "https://",
    "https:///b.png", "https://?x", "https://a.test/" + "x" * 9000, "s3://bucket/key", "file-abc",
)  # fmt: skip


@pytest.mark.parametrize("url", BAD_ADDRESSES)
async def test_what_is_no_https_address(url: str) -> None:
    error = await refused_edit(images=[{"image_url": url}])
    assert error.param == "images"
    assert len(error.message) < 300


async def test_a_reference_has_openais_length_at_most() -> None:
    """20,971,520 characters, by OpenAI's own schema."""
    head = "data:image/png;base64,"
    url = head + "A" * (20_971_521 - len(head))
    assert (await refused_edit(images=[{"image_url": url}])).param == "images"


async def test_messages_quote_no_more_than_needed() -> None:
    body = b'{"images":[{"file_id":"f"}],"' + b"n" * 5000 + b'":"\xff"}'
    error = await refused(body)
    assert len(error.message) < 200
