from __future__ import annotations

import base64
import hashlib
import json
from email.parser import BytesParser
from typing import Any

import pytest

from retouch.media.blob import CHUNK_SIZE, SPOOL_THRESHOLD, Blob, Spool, budget
from retouch.upstream.body import (
    JOINED_BYTES,
    Base64,
    Body,
    FilePart,
    JsonText,
    json_body,
    multipart_body,
)

DATA = bytes(range(256)) * 3 + b"\r\n--not-a-boundary--\r\n"
#: Two chunks of base64 and a rest that needs padding.
LARGE = bytes(range(251)) * ((2 * CHUNK_SIZE) // 251 + 1) + b"x"


def joined(body: Body) -> bytes:
    return b"".join(bytes(piece) for piece in body.chunks())


def parts(body: Body) -> list[tuple[str, str | None, str | None, bytes]]:
    """Name, file name, type and content of each part, read by Python's own mail parser."""
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + joined(body))
    assert message.is_multipart()
    assert not message.defects
    found = []
    for part in message.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        found.append((name, part.get_filename(), part.get("content-type"), content))
    return found


# --- segments ----------------------------------------------------------------------------


def test_a_body_knows_its_size_and_can_be_sent_twice() -> None:
    body = Body((b"ab", memoryview(b"cd"), Blob(b"ef"), Base64(Blob(b"g"), "data:,"), Blob(b"")))
    expected = b"abcdefdata:,Zw=="
    assert body.size == len(expected) == 16
    assert joined(body) == joined(body) == expected
    assert body.sha256() == hashlib.sha256(expected).hexdigest()


def test_an_empty_body() -> None:
    assert (Body().size, joined(Body()), Body().content_type) == (0, b"", None)


def test_a_small_body_is_written_at_once_and_a_large_one_is_not_copied() -> None:
    small = Body((b"ab", Blob(bytes(JOINED_BYTES - 3)), memoryview(b"c")))
    assert list(small.writes()) == [b"ab" + bytes(JOINED_BYTES - 3) + b"c"]
    picture = bytes(JOINED_BYTES)
    large = Body((b"ab", Blob(picture), b"c"))
    pieces = zip(large.writes(), (b"ab", picture, b"c"), strict=True)
    assert all(piece is given for piece, given in pieces)
    assert list(Body().writes()) == [b""]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, CHUNK_SIZE - 1, CHUNK_SIZE, len(LARGE)])
def test_base64_in_pieces_is_base64_of_the_whole(size: int) -> None:
    text = Base64(Blob(LARGE[:size]))
    expected = base64.b64encode(LARGE[:size])
    assert b"".join(text.chunks()) == expected
    assert text.size == len(expected)


def test_base64_of_a_blob_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "limit", 0)
    with Spool() as spool:
        writer = spool.writer()
        data = LARGE * (SPOOL_THRESHOLD // len(LARGE) + 1)
        writer.write(data)
        spooled = spool.finish(writer)
        assert "on disk" in repr(spooled)
        text = Base64(spooled, "data:image/png;base64,")
        pieces = list(text.chunks())
    assert b"".join(pieces) == b"data:image/png;base64," + base64.b64encode(data)
    assert max(map(len, pieces)) <= CHUNK_SIZE * 4 // 3 + 4


# --- multipart ---------------------------------------------------------------------------


def test_a_form_is_read_by_another_parser_as_it_was_written() -> None:
    body = multipart_body(
        [("prompt", "Käse \N{SPARKLES}\r\n two"), ("n", "2"), ("empty", "")],
        [
            FilePart("image[]", "image_0.png", "image/png", Blob(DATA)),
            FilePart("image[]", "image_1.jpg", "image/jpeg", Blob(LARGE)),
            FilePart("mask", "mask.png", "image/png", Blob(b"")),
        ],
    )
    assert body.size == len(joined(body))
    assert parts(body) == [
        ("prompt", None, None, "Käse ✨\r\n two".encode()),
        ("n", None, None, b"2"),
        ("empty", None, None, b""),
        ("image[]", "image_0.png", "image/png", DATA),
        ("image[]", "image_1.jpg", "image/jpeg", LARGE),
        ("mask", "mask.png", "image/png", b""),
    ]


def test_forms_with_only_fields_or_only_files() -> None:
    assert parts(multipart_body([("a", "b")], [])) == [("a", None, None, b"b")]
    file = FilePart("a", "b.png", "image/png", Blob(b"c"))
    assert parts(multipart_body([], [file])) == [("a", "b.png", "image/png", b"c")]


def test_the_same_form_has_the_same_bytes() -> None:
    """A retry and a signature need that; another prompt gives another boundary."""

    def form(prompt: str) -> Body:
        return multipart_body([("prompt", prompt)], [])

    assert joined(form("a")) == joined(form("a"))
    assert form("a").content_type == form("a").content_type != form("b").content_type


INJECTIONS = (
    'a"; filename="b.png',
    'a"\r\n\r\nvalue',
    "a\r\nContent-Type: image/svg+xml",
    "a\nb",
    "a\rb",
    'a%22"b',
    "имя",
)


@pytest.mark.parametrize("name", INJECTIONS)
def test_a_name_cannot_leave_its_quotes(name: str) -> None:
    body = multipart_body([(name, "v"), ("next", "w")], [])
    head = joined(body).split(b"\r\n\r\n")[0]
    assert head.count(b"\r\n") == 1  # the boundary and one header
    assert head.count(b'"') == 2
    (_, filename, kind, value), (following, *_) = parts(body)
    assert (filename, kind, value, following) == (None, None, b"v", "next")


def test_a_text_cannot_end_its_part() -> None:
    """Not even one that repeats the boundary of an earlier form word for word."""
    seen = multipart_body([("prompt", "x")], [])
    boundary = (seen.content_type or "").partition("boundary=")[2]
    attack = (
        f'x\r\n--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear'
        f"\r\n--{boundary}--\r\n"
    )
    body = multipart_body([("prompt", attack)], [])
    assert parts(body) == [("prompt", None, None, attack.encode())]


def test_a_file_cannot_end_its_part() -> None:
    seen = multipart_body([("prompt", "y")], [])
    boundary = (seen.content_type or "").partition("boundary=")[2]
    data = f"\r\n--{boundary}--\r\n".encode()
    body = multipart_body([("prompt", "x")], [FilePart("a", "b", "c/d", Blob(data))])
    assert parts(body)[1][3] == data


# --- JSON --------------------------------------------------------------------------------


def test_pictures_stand_where_they_were_put() -> None:
    value = {
        "b": [{"x": Base64(Blob(b"first"), "data:image/png;base64,")}, "text"],
        "a": {"deep": [[Base64(Blob(LARGE))]], "none": None, "n": 1.5},
        "c": JsonText(b"QUJD"),
        "d": JsonText(memoryview(b"xREVGx")[1:5]),
    }
    body = json_body(value)
    assert body.content_type == "application/json"
    assert body.size == len(joined(body))
    document = json.loads(joined(body))
    assert list(document) == ["b", "a", "c", "d"]
    assert document == {
        "b": [{"x": "data:image/png;base64," + base64.b64encode(b"first").decode()}, "text"],
        "a": {"deep": [[base64.b64encode(LARGE).decode()]], "none": None, "n": 1.5},
        "c": "QUJD",
        "d": "REVG",
    }


def test_large_pictures_are_not_copied_into_the_body() -> None:
    picture = Base64(Blob(LARGE))
    body = json_body({"a": picture})
    assert picture in body.segments
    assert sum(len(s) for s in body.segments if isinstance(s, bytes)) < 100


def test_a_document_without_pictures() -> None:
    value = {"a": 'Käse \N{SPARKLES} \0 \x7f \\ " \n'}
    assert json.loads(joined(json_body(value))) == value


@pytest.mark.parametrize(
    "text",
    [
        "retouch-",
        "retouch-placeholder",
        "retouch-" + "0" * 32,
        "retouch-" + "f" * 32,
        '"}, "model": "dear", "x": "',
        "placeholder",
        "\\u0022",
    ],
)
def test_text_that_looks_like_a_placeholder_stays_text(text: str) -> None:
    value: dict[str, Any] = {"prompt": text, text: [text], "image": Base64(Blob(b"x"))}
    document = json.loads(joined(json_body(value)))
    assert document == {"prompt": text, text: [text], "image": "eA=="}


def test_what_json_cannot_say_is_an_error() -> None:
    with pytest.raises((TypeError, NotImplementedError)):
        json_body({"a": object()})
