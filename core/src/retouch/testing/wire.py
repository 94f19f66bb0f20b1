"""Find pictures in a recorded request, in whatever form a provider wants them.

A picture is recognised by its first bytes: as a part of a multipart form, as base64 text (or
a ``data:`` URL) anywhere in JSON, or as the whole body.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import multipart

_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that went upstream.

    :param where: the part's name, the place in the JSON, or ``body``.
    :param content_type: what it was said to be; empty where nothing was said.
    """

    where: str
    data: bytes
    content_type: str = ""
    filename: str = ""


def pictures(body: bytes, content_type: str) -> list[Sent]:
    """Every picture in a request body, in the order in which they stand."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return list(_in_form(body, content_type))
    if kind == "application/json":
        return list(_in_json(json.loads(body), "$"))
    if body.startswith(_MARKS):
        return [Sent(where="body", data=body, content_type=kind)]
    return []


def _in_form(body: bytes, content_type: str) -> Iterator[Sent]:
    _, options = multipart.parse_options_header(content_type)
    with multipart.PushMultipartParser(options.get("boundary", ""), strict=True) as parser:
        segment: Any = None
        data = bytearray()
        for event in parser.parse(body):
            if isinstance(event, multipart.MultipartSegment):
                segment, data = event, bytearray()
            elif event is not None:
                data += event
            elif data.startswith(_MARKS):
                yield Sent(
                    where=segment.name,
                    data=bytes(data),
                    content_type=segment.header("Content-Type", ""),
                    filename=segment.filename or "",
                )


def _in_json(value: Any, where: str) -> Iterator[Sent]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _in_json(item, f"{where}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _in_json(item, f"{where}[{index}]")
    elif isinstance(value, str):
        head, comma, text = value.partition(",") if value[:5] == "data:" else ("", ",", value)
        data = _decoded(text) if comma else b""
        if data.startswith(_MARKS):
            declared = head.removeprefix("data:").partition(";")[0]
            yield Sent(where=where, data=data, content_type=declared)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
