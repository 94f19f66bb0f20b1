"""Read an edit from application/json: ``images`` by reference, every other field by name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pybase64
from msgspec import Meta, Raw

from retouch.errors import InvalidImage, InvalidRequest
from retouch.http.inspection import inspected
from retouch.media.blob import Blob
from retouch.submission import MAX_IMAGES, Submission
from retouch.types import Picture, PictureFile, PictureInput, PictureUrl

#: OpenAI's own limit of one ``image_url``, in characters.
MAX_URL_CHARS = 20_971_520
#: A plain address has no business being longer than this.
MAX_ADDRESS_CHARS = 8_192

_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)
#: An address with a host and without credentials; what follows is the provider's to read.
_ADDRESS = re.compile(r"https://[^/?#@\\]+(?:[/?#].*)?")
_FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class _Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    image_url: Annotated[str, Meta(max_length=MAX_URL_CHARS)] | None = None
    file_id: str | None = None


async def read(chunks: AsyncIterator[bytes]) -> Submission:
    """The submission of a JSON body. Of a key that stands twice the last one counts.

    :raises InvalidRequest: for anything but a JSON object with usable references.
    """
    body = b"".join([chunk async for chunk in chunks])
    if body.lstrip()[:2] == b"--":
        raise InvalidRequest(
            "The body is multipart/form-data, but the Content-Type header says "
            "application/json. Leave the header to your HTTP library.",
            code="invalid_json",
        )
    fields = _decode(body, dict[str, Raw])
    if fields is None:
        raise InvalidRequest("The body is not a JSON object.", code="invalid_json")
    if "image" in fields:
        raise InvalidRequest(
            "JSON requests name their pictures in `images`, a list of objects with `image_url` "
            "or `file_id`.",
            param="image",
            code="unknown_parameter",
        )
    images = await _images(fields.pop("images", None))
    mask = await _single(fields.pop("mask", None), "mask")
    markup = await _single(fields.pop("markup", None), "markup")
    if markup is not None and not isinstance(markup, Picture):
        raise InvalidRequest("`markup` must be a data: URL.", param="markup")
    return Submission(
        fields={name: _value(name, raw) for name, raw in fields.items()},
        images=tuple(images),
        mask=mask,
        markup=markup,
    )


def _value(name: str, raw: Raw) -> Any:
    # msgspec skims over what it keeps raw, so that text is checked only here.
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(
            f"`{name[:64]}` is not valid JSON.", param=name[:64], code="invalid_json"
        ) from error


async def _images(raw: Raw | None) -> list[PictureInput]:
    if raw is None:
        raise InvalidRequest(
            "Missing required parameter: `images`.",
            param="images",
            code="missing_required_parameter",
        )
    references = _decode(bytes(raw), list[_Reference])
    if references is None:
        raise _not_a_reference("images")
    if not 1 <= len(references) <= MAX_IMAGES:
        raise InvalidRequest(
            f"`images` must have 1 to {MAX_IMAGES} items.",
            param="images",
            code="too_many_images" if references else "missing_required_parameter",
        )
    return [await _picture(reference, "images") for reference in references]


async def _single(raw: Raw | None, param: str) -> PictureInput | None:
    if raw is None or bytes(raw) == b"null":
        return None
    reference = _decode(bytes(raw), _Reference)
    if reference is None:
        raise _not_a_reference(param)
    return await _picture(reference, param)


async def _picture(reference: _Reference, param: str) -> PictureInput:
    if (reference.image_url is None) == (reference.file_id is None):
        raise _not_a_reference(param)
    if reference.file_id is not None:
        if not _FILE_ID.fullmatch(reference.file_id):
            raise InvalidRequest("`file_id` is not a file id.", param=param, code="invalid_value")
        return PictureFile(reference.file_id)
    url = reference.image_url or ""
    if url[:5].lower() == "data:":
        # One large picture at a time; between them other requests get their turn.
        await asyncio.sleep(0)
        return await inspected(_inline(url, param), param, inline=True)
    if len(url) > MAX_ADDRESS_CHARS or not _plain(url):
        raise InvalidRequest(
            "`image_url` must be an https address or a base64 data: URL.",
            param=param,
            code="invalid_image_url",
        )
    return PictureUrl(url)


def _inline(url: str, param: str) -> Blob:
    head = _DATA_URL.match(url[:256])
    if head is None:
        raise InvalidRequest(
            "A data: URL must have the form data:image/png;base64,...",
            param=param,
            code="invalid_image_url",
        )
    try:
        data = pybase64.b64decode(memoryview(url.encode("ascii"))[head.end() :], validate=True)
    except ValueError as error:
        raise InvalidImage("The data: URL is not valid base64.", param=param) from error
    return Blob(data)


def _plain(url: str) -> bool:
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and _ADDRESS.fullmatch(url) is not None


def _not_a_reference(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{param}` must name each picture by exactly one of `image_url` and `file_id`, and "
        "nothing else.",
        param=param,
        code="invalid_value",
    )


def _decode(text: bytes, kind: Any) -> Any:
    """``text`` as ``kind``; ``None`` when it is not."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
