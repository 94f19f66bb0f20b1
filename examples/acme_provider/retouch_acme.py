"""Acme image edits for retouch.

Acme is made up; its interface shows what real ones do differently from OpenAI's:

    POST {base_url}/v1/edits          authorization: Bearer KEY
    {"model", "text", "pictures": [base64], "area": base64, "count", "detail", "style", "seed"}

``area`` is a mask whose white pixels are edited. The answer is ``{"pictures": [base64]}``, or
``{"blocked": reason}`` with the same status 200 when Acme's moderation says no. With
``"live": true`` it comes as events: any number of ``{"preview": base64}``, then one
``{"pictures": [base64]}``.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from retouch import (
    Account,
    Base64,
    BaseUrl,
    Capabilities,
    ContentRejected,
    EditedImage,
    EditEvent,
    EditRequest,
    EditResult,
    InvalidRequest,
    Mask,
    ModelInfo,
    Picture,
    Price,
    ProviderInfo,
    Secret,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRequest,
    UpstreamResponse,
    errors,
    hookimpl,
    json_body,
    sse,
)

MODELS = (
    ModelInfo(
        id="acme-edit-1",
        capabilities=Capabilities(
            max_images=3,
            max_n=4,
            mask="may",
            image_formats=("png", "jpeg"),
            max_prompt_chars=500,
            streaming=True,
            sizes=("512x512", "1024x1024"),
            parameters={"quality": ("low", "high")},
        ),
        price=Price(per_image=0.02),
    ),
)
#: OpenAI's word for it, and Acme's.
DETAIL = {"low": "draft", "high": "fine"}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``[accounts.NAME]`` with ``provider = "acme"``."""

    api_key: Secret
    base_url: BaseUrl = "https://api.acme.example"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Acme's own request fields.

    :param style: how the result looks.
    :param seed: the same seed gives the same pictures.
    """

    style: Literal["photo", "drawing"] | None = None
    seed: Annotated[int, Meta(ge=0, le=999_999)] | None = None


@hookimpl
def provider_info() -> ProviderInfo:
    """Acme and its one model."""
    return ProviderInfo(
        name="acme", title="Acme", settings=Settings, options=Options, models=MODELS
    )


@hookimpl
def validate(edit: EditRequest) -> None:
    """What the capabilities cannot say: Acme reads one language."""
    if not edit.prompt.isascii():
        raise InvalidRequest("Acme reads English prompts only.", param="prompt")


@hookimpl
def translate_request(edit: EditRequest, account: Account) -> UpstreamRequest:
    """The edit in Acme's words; pictures go from where they are to the socket."""
    settings: Settings = account.settings
    value: dict[str, Any] = {
        "model": edit.model,
        "text": edit.prompt,
        "pictures": [Base64(item.blob) for item in edit.images if isinstance(item, Picture)],
        "count": edit.n or 1,
    }
    if isinstance(edit.mask, Mask):
        value["area"] = Base64(edit.mask.white_edits())
    if edit.size is not None:
        value["size"] = edit.size
    if edit.quality is not None:
        value["detail"] = DETAIL[edit.quality]
    if edit.stream:
        value["live"] = True
    value |= {name: item for name, item in _options(edit).items() if item is not None}
    return UpstreamRequest(
        method="POST",
        url=settings.base_url.rstrip("/") + "/v1/edits",
        headers={"authorization": f"Bearer {settings.api_key.reveal()}"},
        body=json_body(value),
        stream=bool(edit.stream),
    )


class Answer(msgspec.Struct):
    """What Acme answers with status 200."""

    pictures: list[str] = []
    preview: str | None = None
    blocked: str | None = None


class Failure(msgspec.Struct):
    """What Acme answers otherwise."""

    message: str


@hookimpl
def translate_response(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> EditResult:
    """Acme's pictures, with their price."""
    if response.status != 200:
        raise errors.from_upstream(response, message=_message(response.body))
    return _result(_decoded(response.body), edit, account)


@hookimpl
async def translate_stream(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> AsyncIterator[EditEvent]:
    """Previews as they come, then the pictures."""
    if response.stream is None:
        raise UpstreamError
    previews = 0
    async for frame in sse.frames(response.stream):
        answer = _decoded(frame.data)
        if answer.preview is None:
            result = _result(answer, edit, account)
            for image in result.images:
                yield _event("image_edit.completed", image.data, result.cost)
            return
        yield _event("image_edit.partial_image", answer.preview, partial_image_index=previews)
        previews += 1
    raise UpstreamError("Acme's stream ended before the edit was complete.")


def _options(edit: EditRequest) -> dict[str, Any]:
    return {} if edit.options is None else msgspec.structs.asdict(edit.options)


def _decoded(body: bytes) -> Answer:
    try:
        return msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamInvalid from error


def _message(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=Failure).message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _result(answer: Answer, edit: EditRequest, account: Account) -> EditResult:
    if answer.blocked is not None:
        raise ContentRejected(f"Acme refused this edit: {answer.blocked[:200]}")
    if not answer.pictures:
        raise UpstreamInvalid("Acme answered without a picture.")
    model = account.model(edit)
    price = None if model is None else model.price
    return EditResult(
        images=tuple(EditedImage(data=picture) for picture in answer.pictures),
        output_format="png",
        cost=None if price is None else price.of_images(len(answer.pictures)),
    )


def _event(type: str, picture: Any, cost: float | None = None, **more: Any) -> EditEvent:
    value = {
        "type": type,
        "b64_json": picture,
        "created_at": int(time.time()),
        "size": "auto",
        "quality": "auto",
        "background": "auto",
        "output_format": "png",
        **more,
    }
    return EditEvent(type=type, data=msgspec.json.encode(value), cost=cost)
