"""Google's errors in the gateway's terms, and refusals that look like success.

Shapes: ``{"error": {code, message, status, details}}``, the same in a list of one, or an
HTML page (AIP-193, and what Google's front ends really send).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from retouch import (
    ContentRejected,
    Forbidden,
    GatewayError,
    ModelInfo,
    UnknownModel,
    UpstreamAuth,
    UpstreamError,
    UpstreamResponse,
    errors,
)

MAX_CHARS = 2_000
#: Google's support codes by what was found (Responsible AI guidelines for Imagen, 2026).
SUPPORT_CODES = {
    "child": ("58061214", "17301594"),
    "celebrity": ("29310472", "15236754"),
    "celebrity or child": ("64151117",),
    "dangerous content": ("62263041",),
    "hate": ("57734940", "22137204"),
    "people or face": ("39322892",),
    "personal information": ("92201652",),
    "prohibited content": ("89371032", "49114662", "72817394"),
    "sexual": ("90789179", "63429089", "43188360"),
    "third-party content": ("35561574", "35561575"),
    "toxic": ("78610348",),
    "violence": ("61493863", "56562880"),
    "vulgar": ("32635315",),
    "other": ("74803281", "29578790", "42876398"),
}
_CATEGORIES = {code: name for name, codes in SUPPORT_CODES.items() for code in codes}

_MODERATION = re.compile(
    r"support codes?:|safety filter|sensitive words|usage guidelines|prohibited (use|content)",
    re.IGNORECASE,
)
_CODES = re.compile(r"support codes?:\s*([\d,\s]+)", re.IGNORECASE)
_UNAVAILABLE = re.compile(r"\bis unavailable\b|was not found|is not found for api", re.IGNORECASE)
_TOO_LARGE = re.compile(r"payload size exceeds", re.IGNORECASE)
#: Which field a message of Google's is about.
_PARAMS = (
    (re.compile(r"\bmask\b", re.IGNORECASE), "mask"),
    (re.compile(r"\b(input|provided|product) images?\b", re.IGNORECASE), "image"),
    (re.compile(r"\bprompt\b", re.IGNORECASE), "prompt"),
)
_REASON = re.compile(r"[A-Z][A-Z0-9_]{2,63}")
_DELAY = re.compile(r"(\d{1,6})(\.\d+)?s")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an error body says, as far as it is one of Google's.

    :param reason: of the ``ErrorInfo``, for example ``IAM_PERMISSION_DENIED``.
    :param delay: of the ``RetryInfo``, in seconds.
    """

    ours: bool = False
    code: int | None = None
    message: str = ""
    status: str = ""
    reason: str = ""
    delay: str | None = None


def read(body: bytes) -> Said:
    """An error body, whatever it is."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()
    if isinstance(value, list) and value:
        value = value[0]
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return Said()
    code, details = error.get("code"), error.get("details")
    items = details if isinstance(details, list) else []
    given = [item for item in items if isinstance(item, dict)]
    reasons = [_match(_REASON, item.get("reason")) for item in given]
    delays = [_match(_DELAY, item.get("retryDelay")) for item in given]
    return Said(
        ours=True,
        code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        message=_text(error.get("message")),
        status=_match(_REASON, error.get("status")),
        reason=next(filter(None, reasons), ""),
        delay=next((delay.rstrip("s") for delay in delays if delay), None),
    )


def failure(response: UpstreamResponse, model: str, listed: ModelInfo | None) -> GatewayError:
    """The error for an answer outside 2xx.

    :param listed: the model's row, for its hint.
    """
    said = read(response.body)
    if response.status in (401, 403) or said.reason.startswith("API_KEY_"):
        why = said.reason or said.status
        return UpstreamAuth(f"{UpstreamAuth.default_message[:-1]} ({why})." if why else None)
    if response.status == 404 and not said.ours:
        return UpstreamError(
            "Google has no such address: the account's `location` or `base_url` may be wrong."
        )
    if response.status == 404 or (response.status == 400 and _UNAVAILABLE.search(said.message)):
        return gone(model, listed)
    if response.status == 499:
        return UpstreamError()
    if response.status == 400:
        return _bad_request(response, said)
    return _plain(response, said)


def gone(model: str, listed: ModelInfo | None) -> UnknownModel:
    """A model that Google does not (or no longer) serve to this account."""
    hint = "" if listed is None or not listed.hint else f" {listed.hint}."
    ended = (
        f" Its announced end is {listed.shutdown}."
        if listed is not None and listed.shutdown is not None
        else ""
    )
    return UnknownModel(
        f"Google does not serve the model `{model}` to this account.{ended}{hint}", param="model"
    )


def rejected(reason: str, **details: Any) -> ContentRejected:
    """A refusal with Google's own words, its support codes and what they stand for."""
    codes = [code for listed in _CODES.findall(reason) for code in re.findall(r"\d+", listed)]
    categories = list(dict.fromkeys(_CATEGORIES[code] for code in codes if code in _CATEGORIES))
    more = {**details, "support_codes": codes, "categories": categories}
    return ContentRejected(
        reason[:MAX_CHARS] or None, details={name: value for name, value in more.items() if value}
    )


def _bad_request(response: UpstreamResponse, said: Said) -> GatewayError:
    if _MODERATION.search(said.message):
        return rejected(said.message)
    if said.status == "FAILED_PRECONDITION" and "location is not supported" in said.message:
        return Forbidden(said.message[:MAX_CHARS], code="location_not_supported")
    if _TOO_LARGE.search(said.message):
        return _plain(msgspec.structs.replace(response, status=413), said)
    error = _plain(response, said)
    error.param = next((name for known, name in _PARAMS if known.search(said.message)), None)
    return error


def _plain(response: UpstreamResponse, said: Said) -> GatewayError:
    headers = response.headers
    if said.delay is not None:
        headers = {"retry-after": said.delay, **headers}
    # What there is to say was read already; nothing else of the body may get through.
    rest = msgspec.structs.replace(response, headers=headers, body=b"")
    return errors.from_upstream(
        rest, message=said.message or None, code=said.status.lower() or None
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _match(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
