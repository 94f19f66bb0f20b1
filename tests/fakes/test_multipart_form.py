"""The fakes' form reader against Python's own email package, and its refusals."""

from __future__ import annotations

import email.parser
import email.policy
import os

import pytest

from tests.fakes.multipart_form import FormError, Part, encode, file, parse, text

PARTS = (
    text("prompt", "grüße\r\n--not the boundary"),
    file("image[]", os.urandom(4000) + b"\r\n", "a.png", "image/png"),
    file("mask", b"", "b.png", "image/png"),
)


def test_reads_what_it_writes() -> None:
    body, content_type = encode(*PARTS)
    assert parse(body, content_type) == list(PARTS)


def test_agrees_with_the_email_package() -> None:
    body, content_type = encode(*PARTS)
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    found = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    assert found == [part.data for part in PARTS]


def test_keeps_names_in_utf8() -> None:
    body, content_type = encode(Part("image", b"x", "Bäume.png", "image/png"))
    assert parse(body, content_type)[0].filename == "Bäume.png"


def test_refuses_every_cut() -> None:
    body, content_type = encode(text("prompt", "x"), file("image", b"abc"))
    for length in range(len(body)):
        with pytest.raises(FormError):
            parse(body[:length], content_type)


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", f"multipart/form-data; boundary={'x' * 71}"]
)
def test_refuses_a_content_type_without_a_usable_boundary(content_type: str) -> None:
    with pytest.raises(FormError):
        parse(b"--x\r\n", content_type)


def test_refuses_preamble_and_epilogue() -> None:
    body, content_type = encode(*PARTS)
    for wrong in (b"hello\r\n" + body, body + b"bye"):
        with pytest.raises(FormError):
            parse(wrong, content_type)
