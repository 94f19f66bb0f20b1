"""OpenAI's image-edit wire format, as a client of it: shared by the openai and azure plugins.

Source of every rule: OpenAI's SDK types and API reference as of November 2026.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import msgspec

from retouch.errors import (
    ContentRejected,
    GatewayError,
    UpstreamError,
    UpstreamInvalid,
    from_upstream,
)
from retouch.pricing import Price, Usage
from retouch.types import (
    EditedImage,
    EditEvent,
    EditRequest,
    EditResult,
    Picture,
    PictureFile,
    PictureInput,
    PictureUrl,
    UpstreamResponse,
)
from retouch.upstream.body import Base64, Body, FilePart, json_body, multipart_body
from retouch.upstream.cut import cut
from retouch.upstream.sse import frames

COMPLETED = "image_edit.completed"
PARTIAL = "image_edit.partial_image"


def by_reference(edit: EditRequest) -> bool:
    """Whether the pictures came as URLs, ``data:`` URLs or file ids: then JSON says it best.

    A request is either a form or JSON, so the mask came the same way as the pictures.
    """
    return all(not isinstance(item, Picture) or item.inline for item in edit.images)


def form_body(edit: EditRequest, *, model: str | None) -> Body:
    """The edit as multipart/form-data, with file names and types of our own making.

    :param model: sent as the ``model`` field; ``None`` leaves it out (Azure deployments).
    """
    values: dict[str, Any] = {"prompt": edit.prompt}
    if model is not None:
        values["model"] = model
    values |= edit.parameters() | edit.extra
    pictures = [item for item in edit.images if isinstance(item, Picture)]
    files = [_file("image[]", f"image_{index}", picture) for index, picture in enumerate(pictures)]
    if edit.mask is not None and not isinstance(edit.mask, PictureUrl | PictureFile):
        files.append(FilePart("mask", "mask.png", "image/png", edit.mask.alpha()))
    if edit.markup is not None:
        files.append(_file("markup", "markup", edit.markup))
    fields = [pair for name, value in values.items() for pair in _flat(name, value)]
    return multipart_body(fields, files)


def reference_body(edit: EditRequest, *, model: str) -> Body:
    """The edit as JSON; see ``by_reference``."""
    value: dict[str, Any] = {
        "model": model,
        "images": [_reference(item) for item in edit.images],
        "prompt": edit.prompt,
    }
    if isinstance(edit.mask, PictureUrl | PictureFile):
        value["mask"] = _reference(edit.mask)
    elif edit.mask is not None:
        value["mask"] = {"image_url": Base64(edit.mask.alpha(), "data:image/png;base64,")}
    if edit.markup is not None:
        value["markup"] = _reference(edit.markup)
    return json_body(value | edit.parameters() | edit.extra)


_NULL = msgspec.Raw(b"null")
#: Made once: every decoder of a union is built anew.
_ANY_USAGE: msgspec.json.Decoder[dict[str, Any] | None] = msgspec.json.Decoder(
    dict[str, Any] | None
)
_USAGE: msgspec.json.Decoder[Usage | None] = msgspec.json.Decoder(Usage | None)


class _Image(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class _Answer(msgspec.Struct):
    data: list[_Image]
    created: int | None = None
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    usage: msgspec.Raw = _NULL
    safety_identifier: str | None = None
    svg_usage: dict[str, Any] | None = None


def read_result(response: UpstreamResponse, price: Price | None) -> EditResult:
    """OpenAI's ``ImagesResponse``; the pictures stay views of the answer's bytes.

    :raises GatewayError: for any other status, and for a 200 without pictures.
    """
    if response.status != 200:
        raise from_upstream(response)
    rest = cut(response.body, "b64_json")
    answer = _decode(rest.text, _Answer)
    images = tuple(
        EditedImage(
            data=None if item.b64_json is None else rest.restore(item.b64_json),
            url=item.url,
            revised_prompt=item.revised_prompt,
        )
        for item in answer.data
    )
    if not images or any(item.data is None and item.url is None for item in images):
        raise UpstreamInvalid("The provider answered without a picture.")
    # SVG planning is billed at another model's rates, which the answer does not give.
    known = answer.svg_usage is None
    extra = {"safety_identifier": answer.safety_identifier, "svg_usage": answer.svg_usage}
    return EditResult(
        images=images,
        created=answer.created,
        background=answer.background,
        output_format=answer.output_format,
        quality=answer.quality,
        size=answer.size,
        usage=_usage(answer.usage),
        cost=_cost(answer.usage, price, len(images)) if known else None,
        extra={name: value for name, value in extra.items() if value is not None},
    )


class _Event(msgspec.Struct):
    type: str = ""
    b64_json: str | None = None
    url: str | None = None
    usage: msgspec.Raw = _NULL
    error: dict[str, Any] | None = None


def event_failure(answer: UpstreamResponse) -> GatewayError:
    """The error for an error event, said as an answer with status 500 and OpenAI's envelope."""
    found = from_upstream(answer)
    if found.code != ContentRejected.code:
        return found
    return ContentRejected(found.message, param=found.param, details=found.details)


async def read_events(
    response: UpstreamResponse,
    price: Price | None,
    failure: Callable[[UpstreamResponse], GatewayError] = event_failure,
) -> AsyncIterator[EditEvent]:
    """The events of a streamed edit, as they arrive and as they are.

    :param failure: of a provider with refusals of its own; see ``event_failure``.
    :raises GatewayError: for an error event, and for a stream without a completed event.
    """
    assert response.stream is not None  # noqa: S101  the core hands streams only
    completed = False
    async for frame in frames(response.stream):
        if frame.data == b"[DONE]":
            continue
        rest = cut(frame.data, "b64_json").text
        event = _decode(rest, _Event)
        kind = event.type or frame.event
        if event.error is not None or kind == "error":
            # OpenAI nests the error; servers that imitate it may send it flat.
            inside = event.error or _decode(frame.data, dict[str, Any])
            body = msgspec.json.encode({"error": inside})
            error = failure(UpstreamResponse(status=500, headers=response.headers, body=body))
            error.retry = False
            raise error
        cost = None
        if kind == COMPLETED:
            if not (event.b64_json or event.url):
                raise UpstreamInvalid("The provider's stream was completed without a picture.")
            completed, cost = True, _cost(event.usage, price, 1)
        data = _readable(frame.data, rest).replace(b"\n", b" ")
        yield EditEvent(type=kind, data=data, cost=cost)
    if not completed:
        raise UpstreamError("The provider's stream ended before the edit was complete.")


def _decode(text: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamInvalid from error


def _usage(raw: msgspec.Raw) -> dict[str, Any] | None:
    """The usage object as it came; ``None`` for one that is none."""
    try:
        return _ANY_USAGE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _cost(raw: msgspec.Raw, price: Price | None, pictures: int) -> float | None:
    """What an answer costs; ``None`` for a usage that does not have OpenAI's shape."""
    if price is None:
        return None
    if price.per_image is not None:
        return price.of_images(pictures)
    try:
        return price.of_usage(_USAGE.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _readable(event: bytes, rest: bytes) -> bytes:
    """The event as valid UTF-8, without which the SDKs lose it and all that follow.

    :param rest: the event without its picture.
    """
    try:
        rest.decode()
    except UnicodeDecodeError:
        return event.decode("utf-8", "replace").encode()
    return event


def _file(name: str, stem: str, picture: Picture) -> FilePart:
    return FilePart(name, f"{stem}.{picture.extension}", picture.mime, picture.blob)


def _reference(item: PictureInput) -> dict[str, Any]:
    if isinstance(item, PictureUrl):
        return {"image_url": item.url}
    if isinstance(item, PictureFile):
        return {"file_id": item.file_id}
    return {"image_url": Base64(item.blob, f"data:{item.mime};base64,")}


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Nested values as the OpenAI SDKs put them into forms: ``a[b]``, ``a[]``."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{name}[{key}]", item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _flat(f"{name}[]", item)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif value is not None:
        yield name, str(value)
