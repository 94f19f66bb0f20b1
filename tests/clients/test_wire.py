"""The multipart form over raw sockets: orders and framings of other clients, and broken ones."""

from __future__ import annotations

import hashlib
import itertools
import socket
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.fakes.gateway import Gateway
from tests.fakes.multipart_form import Part, encode, file, text
from tests.fakes.openai_upstream import OpenAIUpstream
from tests.fakes.pictures import mask, picture
from tests.fakes.raw_http import Reply, exchange, head, post, read_reply

MODEL = "openai-main/gpt-image-2"
PNG, JPEG = picture(8, 8), picture(8, 8, format="JPEG")
MASK = mask(8, 8)
PROMPT = "a hat, s'il vous pla\u00eet \u6728"
FIELDS = (text("model", MODEL), text("prompt", PROMPT))


def form(gateway: Gateway, *parts: Part, target: str = "/v1/images/edits") -> Reply:
    return post(gateway.address, *encode(*parts), target=target)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Shapes that clients send --------------------------------------------------------------------

NAMES: dict[str, list[str]] = {
    "image": ["image"],
    "image[]": ["image[]"],
    "repeated image": ["image", "image"],
    "repeated image[]": ["image[]", "image[]"],
    "numbered": ["image[0]", "image[1]"],
    "one number": ["image[0]"],
    "mixed": ["image", "image[]"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
def test_names_of_the_image_field(
    shared_gateway: Gateway, upstream: OpenAIUpstream, names: list[str]
) -> None:
    pictures = [PNG, JPEG][: len(names)]
    files = [file(name, data) for name, data in zip(names, pictures, strict=True)]
    assert form(shared_gateway, *FIELDS, *files).status == 200
    received = upstream.only()
    assert [(part.name, part.sha256) for part in received.files] == [
        ("image[]", sha256(data)) for data in pictures
    ]
    assert received.fields == {"model": "gpt-image-2", "prompt": PROMPT}


ORDERS = list(itertools.permutations([*FIELDS, file("image", PNG), file("mask", MASK)]))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "-".join(part.name for part in order))
def test_fields_in_any_order(
    shared_gateway: Gateway, upstream: OpenAIUpstream, order: tuple[Part, ...]
) -> None:
    """``model`` last included: routing cannot look at the beginning only."""
    assert form(shared_gateway, *order).status == 200
    received = upstream.only()
    assert received.fields == {"model": "gpt-image-2", "prompt": PROMPT}
    assert [part.name for part in received.files] == ["image[]", "mask"]
    assert received.files[0].sha256 == sha256(PNG)


def test_model_behind_large_files(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    photo = picture(900, 900, compress_level=0)
    assert len(photo) > 2 * 1024 * 1024
    assert form(shared_gateway, file("image", photo), *reversed(FIELDS)).status == 200
    assert upstream.only().files[0].sha256 == sha256(photo)


def test_empty_optional_fields_count_as_absent(
    shared_gateway: Gateway, upstream: OpenAIUpstream
) -> None:
    empty = [text(name, "") for name in ("size", "quality", "n", "user", "background", "stream")]
    assert form(shared_gateway, *FIELDS, *empty, file("image", PNG)).status == 200
    assert upstream.only().fields == {"model": "gpt-image-2", "prompt": PROMPT}


def test_the_prompt_arrives_as_it_was(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    prompt = " two\r\nlines,\ta tab and a space at the end "
    assert (
        form(
            shared_gateway, text("prompt", prompt), text("model", MODEL), file("image", PNG)
        ).status
        == 200
    )
    assert upstream.only().fields["prompt"] == prompt


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_chunked_upload(shared_gateway: Gateway, upstream: OpenAIUpstream, size: int) -> None:
    """Node's ``createReadStream`` sends no Content-Length; boundaries fall anywhere."""
    body, content_type = encode(*FIELDS, file("image", PNG), file("mask", MASK))

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    answer = httpx2.post(
        f"{shared_gateway.v1}/images/edits",
        content=pieces(),
        headers={"content-type": content_type},
    )
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert answer.status_code == 200
    assert upstream.only().files[0].sha256 == sha256(PNG)


@pytest.mark.parametrize("last", [1, 2, 3, 4, 6])
def test_the_end_may_come_alone(
    shared_gateway: Gateway, upstream: OpenAIUpstream, last: int
) -> None:
    """A network may deliver the line end after the final boundary in a packet of its own."""
    body, content_type = encode(*FIELDS, file("image", PNG))
    start = head(
        "/v1/images/edits", {"Content-Type": content_type, "Content-Length": str(len(body))}
    )
    with socket.create_connection(shared_gateway.address, timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(start + body[:-last])
        time.sleep(0.1)
        connection.sendall(body[-last:])
        assert read_reply(connection).status == 200
    upstream.only()


CONTENT_TYPES = [
    'multipart/form-data; boundary="{boundary}"',
    "Multipart/Form-Data; charset=utf-8; boundary={boundary}",
    "multipart/form-data; charset=utf-16; boundary={boundary}",
    "multipart/form-data; charset=undefined; boundary={boundary}",
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_spellings_of_the_content_type(
    shared_gateway: Gateway, upstream: OpenAIUpstream, content_type: str
) -> None:
    """Forms are UTF-8 whatever a charset says."""
    body, _ = encode(*FIELDS, file("image", PNG), boundary="abc123")
    answer = post(shared_gateway.address, body, content_type.format(boundary="abc123"))
    assert answer.status == 200
    assert upstream.only().fields["prompt"] == PROMPT


def test_an_upgrade_offer_is_never_an_edit_without_its_body(
    shared_gateway: Gateway, upstream: OpenAIUpstream
) -> None:
    """Java's HttpClient offers HTTP/2 on its first request; it may be refused, not mistaken."""
    body, content_type = encode(*FIELDS, file("image", PNG))
    answer = post(
        shared_gateway.address,
        body,
        content_type,
        Connection="Upgrade, HTTP2-Settings",
        Upgrade="h2c",
        HTTP2_Settings="AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    assert answer.status in (200, 400)
    assert [item.files[0].sha256 for item in upstream.requests] == (
        [sha256(PNG)] if answer.status == 200 else []
    )


def test_expect_continue(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    """curl asks before it sends a large body."""
    body, content_type = encode(*FIELDS, file("image", PNG))
    answer = post(shared_gateway.address, body, content_type, Expect="100-continue")
    assert answer.status == 200
    upstream.only()


def test_two_edits_on_one_connection(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    with httpx2.Client(base_url=shared_gateway.v1) as connection:
        for data in (PNG, JPEG):
            body, content_type = encode(*FIELDS, file("image", data))
            answer = connection.post(
                "/images/edits", content=body, headers={"content-type": content_type}
            )
            assert answer.status_code == 200
    assert [item.files[0].sha256 for item in upstream.requests] == [sha256(PNG), sha256(JPEG)]


# Broken uploads ------------------------------------------------------------------------------

BODY, CONTENT_TYPE = encode(
    *FIELDS,
    text("n", "1"),
    file("image", PNG, "a.png", "image/png"),
    file("image", JPEG, "b.jpg", "image/jpeg"),
    file("mask", MASK, "m.png", "image/png"),
)
#: Without the last line end the final boundary is already whole; RFC 2046 allows that.
WHOLE = len(BODY) - 2


def test_the_whole_body_is_good(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    assert post(shared_gateway.address, BODY, CONTENT_TYPE).status == 200
    upstream.only()


def test_a_body_cut_anywhere_is_refused(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    """Every prefix, sent as a whole and well-formed HTTP request."""
    for length in range(WHOLE):
        answer = post(shared_gateway.address, BODY[:length], CONTENT_TYPE)
        assert answer.status == 400, f"cut after {length} of {len(BODY)} bytes"
        assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


def test_an_upload_broken_off_anywhere_is_no_edit(
    shared_gateway: Gateway, upstream: OpenAIUpstream
) -> None:
    """The client promises the whole body and leaves in the middle of it."""
    promise = {"Content-Type": CONTENT_TYPE, "Content-Length": str(len(BODY))}
    start = head("/v1/images/edits", promise)
    for length in range(len(BODY)):
        answer = exchange(shared_gateway.address, start + BODY[:length], half_close=True)
        assert answer.status in (0, 400, 408), f"left after {length} of {len(BODY)} bytes"
    assert post(shared_gateway.address, BODY, CONTENT_TYPE).status == 200
    upstream.only()


def test_a_chunked_upload_broken_off_is_no_edit(
    shared_gateway: Gateway, upstream: OpenAIUpstream
) -> None:
    """The form is whole, but the chunk that ends the message never comes."""
    start = head("/v1/images/edits", {"Content-Type": CONTENT_TYPE, "Transfer-Encoding": "chunked"})
    chunk = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n"
    for sent in (chunk[:900], chunk[:-2], chunk, chunk + b"0\r\n"):
        answer = exchange(shared_gateway.address, start + sent, half_close=True)
        assert answer.status in (0, 400, 408)
    assert exchange(shared_gateway.address, start + chunk + b"0\r\n\r\n").status == 200
    upstream.only()


IMAGE = file("image", PNG)
REFUSED: dict[str, tuple[list[Part], str | None]] = {
    "two models": ([*FIELDS, text("model", MODEL), IMAGE], "model"),
    "two prompts": ([*FIELDS, text("prompt", "y"), IMAGE], "prompt"),
    "two n": ([*FIELDS, text("n", "1"), text("n", "1"), IMAGE], "n"),
    "two unknown": ([*FIELDS, text("seed", "1"), text("seed", "2"), IMAGE], "seed"),
    "two masks": ([*FIELDS, IMAGE, file("mask", MASK), file("mask", MASK)], "mask"),
    "image as text": ([*FIELDS, text("image", "hello")], "image"),
    "one image as text": ([*FIELDS, IMAGE, text("image", "hello")], "image"),
    "image[] as text": ([*FIELDS, text("image[]", "hello")], "image"),
    "mask as text": ([*FIELDS, IMAGE, text("mask", "hello")], "mask"),
    "prompt as file": ([FIELDS[0], file("prompt", b"x"), IMAGE], "prompt"),
    "unknown file": ([*FIELDS, IMAGE, file("image2", PNG)], "image2"),
    "no prompt": ([FIELDS[0], IMAGE], "prompt"),
    "no image": ([*FIELDS], "image"),
    "prompt not UTF-8": ([FIELDS[0], Part("prompt", b"\xff\xfe"), IMAGE], "prompt"),
    "prompt with NUL": ([FIELDS[0], Part("prompt", b"a\x00b"), IMAGE], "prompt"),
    "gif": ([*FIELDS, file("image", picture(format="GIF"), "a.png", "image/png")], "image"),
    "17 images": ([*FIELDS, *[file("image[]", PNG)] * 17], "image"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused_forms(
    shared_gateway: Gateway, upstream: OpenAIUpstream, case: tuple[list[Part], str | None]
) -> None:
    parts, param = case
    answer = form(shared_gateway, *parts)
    assert answer.status == 400
    assert answer.error["param"] == param
    assert upstream.requests == []


GOOD_BODY, _ = encode(*FIELDS, IMAGE, boundary="abc")
BROKEN: dict[str, tuple[bytes, str]] = {
    "no boundary": (GOOD_BODY, "multipart/form-data"),
    "empty boundary": (GOOD_BODY, "multipart/form-data; boundary="),
    "other boundary": (GOOD_BODY, "multipart/form-data; boundary=xyz"),
    "long boundary": (
        encode(*FIELDS, IMAGE, boundary="b" * 300)[0],
        f"multipart/form-data; boundary={'b' * 300}",
    ),
    "preamble": (b"hello\r\n" + GOOD_BODY, "multipart/form-data; boundary=abc"),
    "glued preamble": (b"x" + GOOD_BODY, "multipart/form-data; boundary=abc"),
    "long preamble": (
        b"x" * 1_000_000 + b"\r\n" + GOOD_BODY,
        "multipart/form-data; boundary=abc",
    ),
    "epilogue": (GOOD_BODY + b"hello", "multipart/form-data; boundary=abc"),
    "long epilogue": (GOOD_BODY + b"x" * 1_000_000, "multipart/form-data; boundary=abc"),
    "second form": (GOOD_BODY + GOOD_BODY, "multipart/form-data; boundary=abc"),
    "bare line feeds": (
        GOOD_BODY.replace(b"\r\n", b"\n"),
        "multipart/form-data; boundary=abc",
    ),
    "nameless part": (
        b"--abc\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + GOOD_BODY,
        "multipart/form-data; boundary=abc",
    ),
    "part without headers": (
        b"--abc\r\n\r\nx\r\n" + GOOD_BODY,
        "multipart/form-data; boundary=abc",
    ),
    "transfer encoding": (
        GOOD_BODY.replace(
            b"application/octet-stream", b"image/png\r\nContent-Transfer-Encoding: base64"
        ),
        "multipart/form-data; boundary=abc",
    ),
    "JSON inside": (b'{"model": "x"}', "multipart/form-data; boundary=abc"),
    "nothing": (b"", "multipart/form-data; boundary=abc"),
    "no parts": (b"--abc--\r\n", "multipart/form-data; boundary=abc"),
    "many parts": (
        encode(*FIELDS, *[text(f"f{i}", "") for i in range(2000)], IMAGE, boundary="abc")[0],
        "multipart/form-data; boundary=abc",
    ),
    "long name": (
        encode(*FIELDS, IMAGE, text("n" * 5000, "x"), boundary="abc")[0],
        "multipart/form-data; boundary=abc",
    ),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_broken_forms(
    shared_gateway: Gateway, upstream: OpenAIUpstream, case: tuple[bytes, str]
) -> None:
    answer = post(shared_gateway.address, *case)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


def test_a_long_prompt_is_refused_before_its_end(
    shared_gateway: Gateway, upstream: OpenAIUpstream
) -> None:
    """A text field is not a place for a gigabyte."""
    body, content_type = encode(FIELDS[0], Part("prompt", b"x" * 2_000_000), IMAGE)
    answer = post(shared_gateway.address, body, content_type)
    assert answer.status == 400
    assert answer.error["param"] == "prompt"
    assert upstream.requests == []
