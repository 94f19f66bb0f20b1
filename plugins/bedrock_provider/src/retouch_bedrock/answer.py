"""Answers of status 200: their pictures as the text that came, and refusals in disguise.

A refusal at Bedrock is often a success by its status: Stability's ``finish_reasons``, Nova's
``error``, a guardrail's intervention, or simply no picture.
"""

from __future__ import annotations

import binascii
import re
from typing import Any

import msgspec

from retouch import (
    ContentRejected,
    EditedImage,
    UpstreamError,
    UpstreamInvalid,
)
from retouch_bedrock.families.shape import Reading

#: Nova's and Titan's words for a refusal; any other ``error`` is a failure.
_MODERATION = re.compile(r"blocked|content (filter|polic)|moderat|responsible ai", re.IGNORECASE)
MAX_REASON_CHARS = 300


class Answer(msgspec.Struct, frozen=True):
    """The keys of all families; values of a kind that nobody expects must hide no others."""

    images: list[msgspec.Raw] | None = None
    finish_reasons: Any = None
    error: Any = None
    status: Any = None
    details: Any = None
    mask_image: Any = msgspec.field(default=None, name="maskImage")
    guardrail: Any = msgspec.field(default=None, name="amazon-bedrock-guardrailAction")


def read_stability(body: bytes) -> Reading:
    """One picture, with ``finish_reasons`` of which each must be null.

    Source: "Stable Image Ultra request and response" in AWS's Bedrock user guide.

    :raises ContentRejected: for a filter's reason.
    :raises UpstreamError: for any other reason, such as ``Inference error``.
    """
    answer = _decoded(body)
    reasons = answer.finish_reasons or []
    for reason in reasons if isinstance(reasons, list) else [reasons]:
        if reason is None:
            continue
        text = _short(reason)
        if text.lower().startswith("filter reason"):
            raise ContentRejected(f"The provider refused this edit: {text}.")
        raise UpstreamError(f"The model failed on this edit: {text}.")
    return Reading(images=_pictures(answer, body))


def read_amazon(body: bytes) -> Reading:
    """The pictures of Nova Canvas and Titan; some may have been taken out by a filter.

    What was taken out is told in ``errors``, as the core does for calls that failed.
    Source: "Error handling" in AWS's Nova user guide.

    :raises ContentRejected: when all of them were.
    :raises UpstreamError: for any other ``error`` without a picture.
    """
    answer = _decoded(body)
    problem = _short(answer.error) if answer.error else ""
    if not answer.images and problem and not _MODERATION.search(problem):
        raise UpstreamError(f"The model failed on this edit: {problem}")
    if not answer.images and problem:
        raise ContentRejected(problem)
    extra: dict[str, Any] = {}
    images = _pictures(answer, body)
    if problem:
        kind = ContentRejected if _MODERATION.search(problem) else UpstreamError
        extra["errors"] = [kind(problem).to_dict()["error"]]
    if isinstance(answer.mask_image, str):
        extra["mask_image"] = answer.mask_image
    return Reading(images=images, extra=extra)


def _pictures(answer: Answer, body: bytes) -> tuple[EditedImage, ...]:
    if not answer.images:
        raise ContentRejected(_why_none(answer))
    # Where nothing in the body is escaped, the text between the quotes is the string itself.
    plain = b"\\" not in body
    return tuple(EditedImage(data=_base64(item, plain)) for item in answer.images)


def _why_none(answer: Answer) -> str:
    if answer.guardrail not in (None, "NONE"):
        return (
            f"A guardrail of the provider's account refused this edit: {_short(answer.guardrail)}."
        )
    reasons = answer.details.get("Moderation Reasons") if isinstance(answer.details, dict) else None
    if isinstance(reasons, list) and reasons:
        return f"The provider refused this edit: {_short(', '.join(map(str, reasons)))}."
    if answer.status:
        return f"The provider refused this edit: {_short(answer.status)}."
    return "The provider returned no picture and gave no reason, as it does when it refuses."


def _base64(item: msgspec.Raw, plain: bool) -> str | memoryview:
    quoted = memoryview(item)
    if len(quoted) < 6 or quoted[0] != ord('"'):
        raise UpstreamInvalid("The provider returned something else in place of a picture.")
    text: str | memoryview = quoted[1:-1]
    if not plain:
        text = _unescaped(item)
    size = len(text)
    ends = (text,) if size <= 128 else (text[:64], text[-64:])
    try:
        for part in ends:
            binascii.a2b_base64(part, strict_mode=True)
    except ValueError as error:
        raise UpstreamInvalid("The provider returned a picture that is not base64.") from error
    if size % 4:
        raise UpstreamInvalid("The provider returned a picture that is not whole.")
    return text


def _unescaped(item: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(item, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamInvalid from error


def _decoded(body: bytes) -> Answer:
    try:
        return msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamInvalid from error


def _short(value: Any) -> str:
    """A provider's word for a person: text on one line, without a full stop."""
    text = value if isinstance(value, str) else "a reason that is no text"
    return " ".join(text.split())[:MAX_REASON_CHARS].rstrip(".")
