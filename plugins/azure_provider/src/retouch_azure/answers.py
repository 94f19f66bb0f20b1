"""Azure's answers in OpenAI's words, and what they cost."""

from __future__ import annotations

from typing import Any

import msgspec

from retouch import (
    Account,
    EditRequest,
    EditResult,
    ModelInfo,
    Price,
    TokenDetails,
    UpstreamInvalid,
    UpstreamResponse,
    Usage,
    cut,
    openai_wire,
)
from retouch_azure.failures import failure, names_an_error, sorted_out

#: Families whose answers are always of one format, though they do not say so.
PNG_FAMILIES = frozenset({"flux-2-pro", "flux-2-flex", "mai-image-2.5", "mai-image-2.6"})


def read(response: UpstreamResponse, edit: EditRequest, account: Account) -> EditResult:
    """The result.

    :raises GatewayError: for a failure, also one that comes with status 200.
    """
    if response.status != 200:
        raise failure(response)
    model = account.model(edit)
    try:
        result = openai_wire.read_result(response, price_of(model))
    except UpstreamInvalid as error:
        result = _unfiltered(response, price_of(model), error)
    return result if model is None else _priced(result, model, response)


def price_of(model: ModelInfo | None) -> Price | None:
    """The model's prices, if it is listed and has any."""
    return None if model is None else model.price


def _unfiltered(
    response: UpstreamResponse, price: Price | None, invalid: UpstreamInvalid
) -> EditResult:
    """The pictures of an answer that has refusals of the content filter among them.

    ``errors`` then says what became of the others, as in an edit of several calls.

    :raises GatewayError: when there are none.
    """
    if names_an_error(response):
        raise failure(response) from None
    body, refusals = sorted_out(response.body)
    if not refusals:
        raise invalid
    if body is None:
        raise refusals[0] from None
    result = openai_wire.read_result(msgspec.structs.replace(response, body=body), price)
    errors = [refusal.to_dict()["error"] for refusal in refusals]
    return msgspec.structs.replace(result, extra={**result.extra, "errors": errors})


def _priced(result: EditResult, model: ModelInfo, response: UpstreamResponse) -> EditResult:
    changes: dict[str, Any] = {}
    if model.family in PNG_FAMILIES and result.output_format is None:
        changes["output_format"] = "png"
    price = model.price
    if price is not None and price.per_image is not None:
        pass  # `read_result` has counted the pictures
    elif price is not None and price.per_megapixel is not None:
        changes["cost"] = _metered_cost(response, price)
    elif (tokens := _mai_tokens(result.usage)) is not None:
        changes |= _mai_usage(tokens, price)
    return msgspec.structs.replace(result, **changes) if changes else result


class _Meter(msgspec.Struct):
    input_mp: float
    output_mp: float


class _Metered(msgspec.Struct):
    request_meta: _Meter


def _metered_cost(response: UpstreamResponse, price: Price) -> float | None:
    """The cost by the megapixels that Black Forest Labs' route says it has counted."""
    try:
        meter = msgspec.json.decode(cut(response.body, "b64_json").text, type=_Metered).request_meta
    except msgspec.DecodeError:
        return None
    return price.of_megapixels(meter.input_mp + meter.output_mp)


class _MaiTokens(msgspec.Struct):
    num_input_text_tokens: int
    num_input_image_tokens: int
    num_output_tokens: int


def _mai_tokens(usage: dict[str, Any] | None) -> _MaiTokens | None:
    try:
        return msgspec.convert(usage, _MaiTokens)
    except msgspec.ValidationError:
        return None


def _mai_usage(tokens: _MaiTokens, price: Price | None) -> dict[str, Any]:
    """OpenAI's ``usage`` object, and the cost, from MAI's own names."""
    text, image = tokens.num_input_text_tokens, tokens.num_input_image_tokens
    usage = Usage(
        input_tokens=text + image,
        output_tokens=tokens.num_output_tokens,
        input_tokens_details=TokenDetails(text_tokens=text, image_tokens=image),
    )
    total = text + image + tokens.num_output_tokens
    named = msgspec.to_builtins(usage)
    del named["output_tokens_details"]
    return {
        "usage": {**named, "total_tokens": total},
        "cost": None if price is None else price.of_usage(usage),
    }
