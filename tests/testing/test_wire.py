from __future__ import annotations

import base64
import json

import pytest

from retouch import Blob, FilePart, multipart_body
from retouch.testing import samples
from retouch.testing.wire import Sent, pictures

PNG = samples.picture(8, 8)
JPEG = samples.picture(8, 8, format="jpeg")
TEXT = base64.b64encode(PNG).decode()


def test_parts_of_a_form() -> None:
    body = multipart_body(
        [("prompt", "x"), ("note", TEXT)],
        [
            FilePart("image[]", "a.png", "image/png", Blob(PNG)),
            FilePart("image[]", "b.jpg", "image/jpeg", Blob(JPEG)),
            FilePart("other", "c.txt", "text/plain", Blob(b"no picture")),
        ],
    )
    assert pictures(b"".join(body.chunks()), body.content_type or "") == [
        Sent(where="image[]", data=PNG, content_type="image/png", filename="a.png"),
        Sent(where="image[]", data=JPEG, content_type="image/jpeg", filename="b.jpg"),
    ]


def test_text_in_json() -> None:
    value = {
        "first": TEXT,
        "list": [{"url": f"data:image/png;base64,{TEXT}"}, TEXT[:-1], "words", 5, None],
        "address": f"https://example.org/{TEXT}",
    }
    assert pictures(json.dumps(value).encode(), "application/json; charset=utf-8") == [
        Sent(where="$.first", data=PNG),
        Sent(where="$.list[0].url", data=PNG, content_type="image/png"),
    ]


@pytest.mark.parametrize("data", [PNG, JPEG, samples.picture(8, 8, format="webp")])
def test_a_whole_body(data: bytes) -> None:
    assert pictures(data, "image/whatever") == [
        Sent(where="body", data=data, content_type="image/whatever")
    ]


def test_nothing() -> None:
    assert pictures(b"prompt=x", "application/x-www-form-urlencoded") == []
