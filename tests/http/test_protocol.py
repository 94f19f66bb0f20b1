from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from retouch.http.protocol import PIECE_BYTES
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.pictures import picture
from tests.fakes.raw_http import exchange, head, read_reply
from tests.http.inside import Door, door


@pytest.fixture(scope="module")
def opened() -> Iterator[Door]:
    with door() as running:
        yield running


GET = "GET /healthz HTTP/1.1\r\nHost: a.test\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        "X /healthz HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nHost: a.test\r\n\r\n",
        "hello world\r\n\r\n",
        f"{GET}no colon\r\n\r\n",
        f"{GET} folded\r\n\r\n",
        f"{GET}A B: c\r\n\r\n",
        f"{GET}A: \0\r\n\r\n",
        f"{GET}Content-Length: -1\r\n\r\n",
        f"{GET}Content-Length: +5\r\n\r\nhello",
        f"{GET}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        f"{GET}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"{GET}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_in_openais_shape(opened: Door, sent: str) -> None:
    reply = exchange(opened.address, sent.encode("latin-1"), half_close=True)
    assert reply.status == 400
    assert reply.headers["connection"] == "close"
    assert reply.error["type"] == "invalid_request_error"
    assert "llhttp" not in reply.error["message"]


def many(number: int) -> bytes:
    return (GET + "".join(f"X-{index}: v\r\n" for index in range(number - 1)) + "\r\n").encode()


def long(size: int) -> bytes:
    return f"{GET}X-Long: {'v' * size}\r\n\r\n".encode()


def test_a_head_within_bounds(opened: Door) -> None:
    for sent in (many(100), long(32_000)):
        assert exchange(opened.address, sent).status == 200


@pytest.mark.parametrize("sent", [many(101), many(10_000), long(33_000), long(1_000_000)])
def test_a_head_out_of_bounds(opened: Door, sent: bytes) -> None:
    reply = exchange(opened.address, sent)
    assert (reply.status, reply.error["code"]) == (431, "headers_too_large")


def test_a_head_without_end_is_refused_before_it(opened: Door) -> None:
    with socket.create_connection(opened.address, 10) as connection:
        connection.sendall(GET.encode() + b"X: y\r\n" * 101)
        assert read_reply(connection).status == 431


def test_each_request_of_a_connection_has_its_own_bounds(opened: Door) -> None:
    with socket.create_connection(opened.address, 10) as connection:
        for _ in range(4):
            connection.sendall(many(60))
            assert read_reply(connection).status == 200
            connection.sendall(long(20_000))
            assert read_reply(connection).status == 200


@pytest.mark.parametrize("chunk", [1, 1000, 70_000, 3_000_000])
def test_a_body_arrives_whole_in_whatever_pieces(opened: Door, chunk: int) -> None:
    data = picture(8, 8) + bytes(2_500_000 if chunk > 1000 else 0)
    body, kind = encode(text("model", "acc/plain"), text("prompt", "x"), file("image", data))
    sent = head("/v1/images/edits", {"Content-Type": kind, "Transfer-Encoding": "chunked"})
    for at in range(0, len(body), chunk):
        piece = body[at : at + chunk]
        sent += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    reply = exchange(opened.address, sent + b"0\r\n\r\n")
    assert reply.status == 200, reply.body
    (image,) = opened.studio.edits[-1].images
    assert image.blob.size == len(data)  # type: ignore[union-attr]


def test_two_requests_in_one_write(opened: Door) -> None:
    body, kind = encode(text("model", "acc/plain"), text("prompt", "one"), file("image", picture()))
    headers = {"Content-Type": kind, "Content-Length": str(len(body))}
    one = head("/v1/images/edits", headers) + body
    with socket.create_connection(opened.address, 10) as connection:
        connection.sendall(one + many(3) + one)
        assert [read_one(connection) for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("size", [100_000, 300_000, PIECE_BYTES, 3 * PIECE_BYTES + 5])
def test_requests_behind_a_large_body(opened: Door, size: int) -> None:
    """The body goes around the parser; what follows it must not."""
    data = picture(8, 8).ljust(size, b"\0")
    body, kind = encode(text("model", "acc/plain"), text("prompt", "one"), file("image", data))
    headers = {"Content-Type": kind, "Content-Length": str(len(body))}
    one = head("/v1/images/edits", headers) + body
    refused = head("/v1/images/edits", headers | {"Content-Type": "text/plain"}) + body
    with socket.create_connection(opened.address, 10) as connection:
        writing = threading.Thread(target=connection.sendall, args=(2 * (one + many(3)),))
        writing.start()
        assert [read_one(connection) for _ in range(4)] == [200] * 4
        writing.join()
    assert [edit.images[0].blob.size for edit in opened.studio.edits[-2:]] == [size] * 2  # type: ignore[union-attr]
    with socket.create_connection(opened.address, 10) as connection:
        # The answer comes before the body; the connection can be used all the same.
        writing = threading.Thread(target=connection.sendall, args=(refused + many(3),))
        writing.start()
        assert [read_one(connection) for _ in range(2)] == [415, 200]
        writing.join()


def read_one(connection: socket.socket) -> int:
    """The status of the next answer, taking no byte of the one behind it."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += connection.recv(1)
    length = next(
        int(line.split(b":")[1])
        for line in got.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    )
    while length:
        length -= len(connection.recv(length))
    return int(got.split()[1])
