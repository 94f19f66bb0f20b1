from __future__ import annotations

import codecs
from encodings.aliases import aliases

import msgspec
import pytest

from retouch.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from retouch.http.intake import ClientLeft, content_type
from tests.fakes.multipart_form import BOUNDARY, encode, file, text
from tests.fakes.pictures import picture
from tests.http.asgi import LEFT, LIMITS, read, refusal

PICTURE = picture(8, 8)
FORM, FORM_TYPE = encode(text("prompt", "x"), file("image", PICTURE))
JSON = b'{"images": [{"file_id": "file-1"}], "prompt": "x"}'
SMALL = msgspec.structs.replace(LIMITS, max_body_bytes=1024, max_json_bytes=2048)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("multipart/form-data; boundary=abc", ("multipart/form-data", "abc")),
        ("Multipart/Form-Data; Boundary=aBc", ("multipart/form-data", "aBc")),
        ('multipart/form-data; charset="utf-8"; boundary="a b"', ("multipart/form-data", "a b")),
        ("multipart/form-data;boundary=abc;x=y", ("multipart/form-data", "abc")),
        ("application/json", ("application/json", "")),
        ("APPLICATION/JSON ; charset=utf-16", ("application/json", "")),
    ],
)
def test_the_content_type_is_read_as_http_defines_it(
    header: str, expected: tuple[str, str]
) -> None:
    assert content_type(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        ";",
        "/",
        "text/plain",
        "application/jsonx",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=a",
        "multipart/form-data, application/json",
        "application/octet-stream",
        "application",
        "\xff\xfe",
        "text/html; boundary=" + "x" * 5000,
    ],
)
async def test_other_types_are_415(header: str) -> None:
    error = await refusal(FORM, header)
    assert isinstance(error, UnsupportedMediaType)
    assert (error.status, error.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "identity, gzip", "x"])
async def test_compressed_bodies_are_415(coding: str) -> None:
    error = await refusal(FORM, FORM_TYPE, content_encoding=coding)
    assert error.status == 415


async def test_identity_is_no_compression() -> None:
    assert (await read(FORM, FORM_TYPE, content_encoding="identity")).images == [PICTURE]


@pytest.mark.parametrize(
    "charset",
    [*sorted(set(aliases.values())), "undefined", "rot13", "zlib", "x" * 900, "", '"', "utf-16;"],
)
async def test_a_charset_changes_nothing(charset: str) -> None:
    """Text is UTF-8, whatever is claimed; a codec of Python's must never be looked up."""
    form, _ = encode(text("prompt", "Käse"), file("image", PICTURE))
    plain = f"multipart/form-data; boundary={BOUNDARY}; charset={charset}"
    assert (await read(form, plain)).fields == {"prompt": "Käse"}
    document = '{"images": [{"file_id": "f"}], "prompt": "Käse"}'.encode()
    assert (await read(document, f"application/json; charset={charset}")).fields == {
        "prompt": "Käse"
    }


@pytest.mark.parametrize("codec", ["utf-16", "utf-32", "utf-8-sig", "cp037"])
async def test_json_in_another_encoding_is_refused(codec: str) -> None:
    document = codecs.encode(JSON.decode(), codec)
    error = await refusal(document, f"application/json; charset={codec}")
    assert (error.status, error.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("kind", "limit"), [(FORM_TYPE, 1024), ("application/json", 2048)], ids=["form", "json"]
)
async def test_too_long_a_body_is_refused_by_its_announced_length(kind: str, limit: int) -> None:
    error = await refusal([], kind, length=limit + 1, limits=SMALL)
    assert isinstance(error, RequestTooLarge)
    assert error.status == 413


async def test_too_long_a_body_is_refused_as_soon_as_the_limit_is_passed() -> None:
    begin = FORM[: FORM.index(PICTURE)]
    # The next piece after the limit would be the client leaving: it must not be asked for.
    error = await refusal([begin, *[bytes(200)] * 5, LEFT], FORM_TYPE, limits=SMALL)
    assert error.status == 413


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    document = JSON + b" " * (2048 - len(JSON))
    assert (await read(document, "application/json", length=2048, limits=SMALL)).fields
    error = await refusal(document + b" ", "application/json", limits=SMALL)
    assert error.status == 413


@pytest.mark.parametrize("kind", [FORM_TYPE, "application/json"])
@pytest.mark.parametrize("sent", [0, 1, 40, len(FORM)])
async def test_a_client_that_leaves_makes_no_edit(kind: str, sent: int) -> None:
    with pytest.raises(ClientLeft):
        await read([FORM[:sent], LEFT], kind)


@pytest.mark.parametrize("difference", [-1, 1, 100])
async def test_the_body_has_its_announced_length(difference: int) -> None:
    for body, kind in ((FORM, FORM_TYPE), (JSON, "application/json")):
        error = await refusal(body, kind, length=len(body) + difference)
        assert isinstance(error, InvalidRequest)
        assert error.status == 400


async def test_a_form_labelled_json_is_told_so() -> None:
    for body in (FORM, b"\r\n" + FORM):
        error = await refusal(body, "application/json")
        assert error.code == "invalid_json"
        assert "multipart/form-data" in error.message


async def test_json_labelled_as_a_form_is_refused() -> None:
    assert (await refusal(JSON, FORM_TYPE)).code == "invalid_multipart"
