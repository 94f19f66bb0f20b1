"""Format and size from the beginning of base64 text; the pictures are Pillow's."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from retouch_vertex import pictures

Text = str | memoryview


def encoded(format: str, size: tuple[int, int] = (37, 21), **more: Any) -> str:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, format, **more)
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("form", [str, lambda text: memoryview(text.encode())])
@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_format(format: str, form: Any) -> None:
    assert pictures.format_of(form(encoded(format.upper()))) == format


@pytest.mark.parametrize("text", ["", "AAAA", "====", encoded("GIF"), "é" * 40])
def test_no_format(text: str) -> None:
    assert pictures.format_of(text) is None
    assert pictures.size_of(text) is None


def test_sizes() -> None:
    assert pictures.size_of(encoded("PNG")) == "37x21"
    assert pictures.size_of(encoded("JPEG")) == "37x21"
    assert pictures.size_of(encoded("JPEG", progressive=True)) == "37x21"
    assert pictures.size_of(encoded("WEBP")) is None


def test_the_size_of_a_jpeg_behind_long_notes() -> None:
    assert pictures.size_of(encoded("JPEG", comment=b"x" * 60_000)) == "37x21"


@pytest.mark.parametrize(("fill", "size"), [(100, "37x21"), (100_000, None)])
def test_a_jpeg_with_fill_bytes(fill: int, size: str | None) -> None:
    data = base64.b64decode(encoded("JPEG"))
    filled = data[:2] + b"\xff" * fill + data[2:]
    assert pictures.size_of(base64.b64encode(filled).decode()) == size


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_cut_picture_has_no_size(format: str) -> None:
    assert pictures.size_of(encoded(format)[:20]) is None
