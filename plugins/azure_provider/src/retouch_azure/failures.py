"""Azure's refusals, in all the shapes that they come in, as the errors that users expect.

Source: Azure OpenAI's reference and content-filter pages, and what users reported of them
(contract of November 2026): codes that are numbers as text, missing types, ``inner_error`` and
``innererror``, JSON that says it is text.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from retouch import (
    ContentRejected,
    GatewayError,
    UpstreamAuth,
    UpstreamError,
    UpstreamResponse,
    errors,
    openai_wire,
)

#: Codes of a content filter, in lower case, wherever they stand.
FILTER_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "content_safety_violation",
        "contentfilter",
        "moderation_blocked",
        "responsibleaipolicyviolation",
    }
)
BLOCKED = (
    "Azure has blocked this resource for the time being; this request is not at fault. The "
    "gateway's operator has to ask Azure to lift it."
)
NO_EDITS_HERE = (
    "Azure has no image edits at this address; the account's endpoint, its api_version or the "
    "model's family may be wrong."
)
SEVERITIES = frozenset({"safe", "low", "medium", "high"})
MAX_NAMES = 32

#: What a code, a category or the name of a block list looks like; anything else is left out.
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,64}")
_WAIT = re.compile(r"(?:retry after|try again in) (\d{1,6}) second", re.IGNORECASE)


def failure(response: UpstreamResponse) -> GatewayError:
    """The error for an answer that is no result, whatever its status."""
    error = _error(response.body)
    inner = _object(error.get("inner_error")) or _object(error.get("innererror"))
    code, message = _name(error.get("code")), _text(error.get("message"))
    if _filtered(response.status, code, _name(inner.get("code"))):
        return _rejected(error, inner, code, message)
    if response.status < 300:
        return UpstreamError(code=code)
    if response.status == 403:
        # A blocked resource is an outage; every other 403 is about the gateway's own rights.
        blocked = message is not None and "temporarily blocked" in message.lower()
        return UpstreamError(BLOCKED, code=code) if blocked else UpstreamAuth()
    if response.status == 404 and code == "404":
        message = NO_EDITS_HERE
    said = _with_wait(response, message)
    return errors.from_upstream(msgspec.structs.replace(said, body=_tidied(error, message, code)))


def event_failure(answer: UpstreamResponse) -> GatewayError:
    """The error for an error event, which has no status of its own."""
    error = _error(answer.body)
    refusal = failure(msgspec.structs.replace(answer, status=400))
    if isinstance(refusal, ContentRejected):
        return refusal
    message, code = _text(error.get("message")), _name(error.get("code"))
    tidy = _tidied(error, message, code)
    return openai_wire.event_failure(msgspec.structs.replace(answer, body=tidy))


def names_an_error(response: UpstreamResponse) -> bool:
    """Whether a body has an ``error`` object."""
    return bool(_error(response.body))


def sorted_out(body: bytes) -> tuple[bytes | None, list[ContentRejected]]:
    """A success with the content filter's refusals taken out from among its pictures.

    :return: the body with the pictures that are left (``None`` without any), and the refusals;
        none of these for a body in which something else is wrong.
    """
    if b"filter_results" not in body:
        # A memory search, where the parser would take its time with megabytes of pictures.
        return None, []
    try:
        document = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        items = msgspec.json.decode(document.get("data", b"[]"), type=list[msgspec.Raw])
        found = [(item, msgspec.json.decode(item, type=_Item)) for item in items]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, []
    kept = [raw for raw, item in found if item.b64_json or item.url]
    refusals = [item.refusal() for _, item in found if not (item.b64_json or item.url)]
    if None in refusals:
        return None, []
    rest = msgspec.json.encode({**document, "data": kept}) if kept else None
    return rest, [refusal for refusal in refusals if refusal is not None]


class _Item(msgspec.Struct):
    """One of ``data``: a picture, or what the filter says of it or of its prompt."""

    b64_json: str | None = None
    url: str | None = None
    content_filter_results: Any = None
    prompt_filter_results: Any = None

    def refusal(self) -> ContentRejected | None:
        """The refusal in place of a picture, if the filter says that it is the reason."""
        for found in (self.content_filter_results, self.prompt_filter_results):
            results = _filter_results(found)
            if any(verdict.get("filtered") for verdict in results.values()):
                details = {"content_filter_results": results}
                return ContentRejected(code="content_filter", details=details)
        return None


def _filtered(status: int, *codes: str | None) -> bool:
    names = {code.lower() for code in codes if code is not None}
    return status < 500 and status not in (401, 429) and bool(names & FILTER_CODES)


def _rejected(
    error: dict[str, Any], inner: dict[str, Any], code: str | None, message: str | None
) -> ContentRejected:
    details: dict[str, Any] = {}
    found = inner.get("content_filter_results", error.get("content_filter_results"))
    if results := _filter_results(found):
        details["content_filter_results"] = results
    if moderation := _moderation(error.get("moderation_details")):
        details["moderation_details"] = moderation
    text = None if message is None else message[: errors.MAX_MESSAGE_CHARS]
    return ContentRejected(text, code=code, param=_name(error.get("param")), details=details)


def _filter_results(found: Any) -> dict[str, Any]:
    """The verdicts by category, and of them only what is documented: this reaches the client."""
    named = ((name, _object(value)) for name, value in _object(found).items())
    verdicts = {name: _verdict(value) for name, value in named if _NAME.fullmatch(name)}
    return {name: value for name, value in list(verdicts.items())[:MAX_NAMES] if value}


def _verdict(value: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: value[name] for name in ("filtered", "detected") if isinstance(value.get(name), bool)
    }
    if value.get("severity") in SEVERITIES:
        kept["severity"] = value["severity"]
    details = value.get("details")
    if isinstance(details, list):
        # The custom block lists that matched, by the names that the resource's owner gave them.
        kept["details"] = [
            {"id": item["id"], **_verdict({name: item.get(name) for name in ("filtered",)})}
            for item in map(_object, details[:MAX_NAMES])
            if _is_name(item.get("id"))
        ]
    return kept


def _moderation(found: Any) -> dict[str, Any]:
    details = _object(found)
    kept: dict[str, Any] = {}
    if _is_name(stage := details.get("moderation_stage")):
        kept["moderation_stage"] = stage
    if isinstance(categories := details.get("categories"), list):
        kept["categories"] = [item for item in categories[:MAX_NAMES] if _is_name(item)]
    return kept


def _tidied(error: dict[str, Any], message: str | None, code: str | None) -> bytes:
    """OpenAI's envelope with what was understood, and nothing that only looks like a code."""
    tidy: dict[str, Any] = {"message": message, "code": code}
    tidy |= {name: _name(error.get(name)) for name in ("type", "param")}
    if moderation := _moderation(error.get("moderation_details")):
        tidy["moderation_details"] = moderation
    return msgspec.json.encode({"error": tidy})


def _with_wait(response: UpstreamResponse, message: str | None) -> UpstreamResponse:
    """The wait of a 429 that stands in its message only."""
    found = _WAIT.search(message or "")
    if response.status != 429 or found is None or errors.retry_after(response.headers):
        return response
    return msgspec.structs.replace(response, headers={**response.headers, "retry-after": found[1]})


def _error(body: bytes) -> dict[str, Any]:
    """The ``error`` object, or the whole body where its gateway answers without one."""
    try:
        document = _object(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    error = document.get("error")
    if isinstance(error, str):
        return {"message": error}
    if "error" in document:
        return _object(error)
    return document if "message" in document else {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _name(value: Any) -> str | None:
    """A code or the like; Azure's numbers come as text, other gateways' as numbers."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if _is_name(text) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
