"""Every failure a client can meet, as one tree with one shape.

    GatewayError                     500  server_error
    ├─ InvalidRequest                400  invalid_request_error
    │  ├─ InvalidImage               400  image_generation_user_error   invalid_image_file
    │  ├─ UnsupportedParameter       400  invalid_request_error         unsupported_parameter
    │  ├─ UnknownParameter           400  invalid_request_error         unknown_parameter
    │  ├─ UnknownModel               404  invalid_request_error         model_not_found
    │  ├─ NotFound                   404  invalid_request_error         not_found
    │  ├─ MethodNotAllowed           405  invalid_request_error         method_not_allowed
    │  ├─ RequestTooLarge            413  invalid_request_error         request_too_large
    │  ├─ UnsupportedMediaType       415  invalid_request_error         unsupported_media_type
    │  └─ HeadersTooLarge            431  invalid_request_error         headers_too_large
    ├─ ContentRejected               400  image_generation_user_error   moderation_blocked
    ├─ Unauthenticated               401  invalid_request_error         invalid_api_key
    ├─ Forbidden                     403  permission_error              permission_denied
    ├─ RateLimited                   429  rate_limit_error              rate_limit_exceeded
    ├─ Unavailable                   503  service_unavailable_error     service_unavailable
    ├─ UpstreamError                 502  upstream_error                upstream_error
    │  ├─ UpstreamUnreachable        502  upstream_error                upstream_unreachable
    │  ├─ UpstreamInvalid            502  upstream_error                upstream_invalid_response
    │  ├─ UpstreamAuth               502  upstream_error                upstream_auth
    │  ├─ UpstreamTimeout            504  upstream_error                upstream_timeout
    │  └─ UpstreamRefused            the provider's own status, type and code
    └─ PluginBug                     500  server_error                  plugin_error

Shapes and codes follow OpenAI's error object, ``{"error": {"message", "type", "param",
"code"}}``, so that the OpenAI SDKs raise the class their users expect.
"""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

if TYPE_CHECKING:
    from retouch.types import UpstreamResponse

#: The OpenAI SDKs wait at most this long for a Retry-After (Python gives up beyond 120 s).
MAX_RETRY_AFTER_SECONDS = 120
#: A provider's message is passed on up to this many characters.
MAX_MESSAGE_CHARS = 2_000


class GatewayError(Exception):
    """A failure that the client is told about.

    :param message: one or two plain sentences for the person who made the request.
    :param param: the request field at fault, in OpenAI's spelling.
    :param code: a machine-readable reason; the class has a default.
    :param retry: sent as ``x-should-retry``, which the OpenAI SDKs obey. ``False`` whenever
        the edit may already have run (and been paid for); ``None`` leaves it to the SDK.
    :param headers: further response headers.
    :param details: further keys inside the ``error`` object.
    """

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    retry: bool | None = None
    #: Statuses are class data; only ``UpstreamRefused`` sets one per instance.
    default_message: ClassVar[str] = "The gateway failed to handle this request."

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        code: str | None = None,
        retry: bool | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.message = message or self.default_message
        super().__init__(self.message)
        self.param = param
        self.code = code or self.code
        self.retry = self.retry if retry is None else retry
        self.headers: dict[str, str] = dict(headers or {})
        self.details: dict[str, Any] = dict(details or {})

    def to_dict(self) -> dict[str, Any]:
        """The OpenAI error envelope of this failure, ready to be encoded as JSON."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": {**self.details, **error}}


class InvalidRequest(GatewayError):
    """The request itself is wrong; ``param`` names the field."""

    status, type = 400, "invalid_request_error"
    default_message = "The request is not valid."


class InvalidImage(InvalidRequest):
    """A picture or mask that cannot be used: broken, of an unknown format, of the wrong size."""

    type, code = "image_generation_user_error", "invalid_image_file"


class UnsupportedParameter(InvalidRequest):
    """An OpenAI parameter (or one of its values) that the chosen model does not have."""

    code = "unsupported_parameter"


class UnknownParameter(InvalidRequest):
    """A field that neither OpenAI's contract nor the provider declares."""

    code = "unknown_parameter"


class UnknownModel(InvalidRequest):
    """No account, or no model of that account, goes by this name."""

    status, code = 404, "model_not_found"


class NotFound(InvalidRequest):
    """No endpoint lives at this path."""

    status, code = 404, "not_found"


class MethodNotAllowed(InvalidRequest):
    """The endpoint exists, but not for this HTTP method."""

    status, code = 405, "method_not_allowed"


class RequestTooLarge(InvalidRequest):
    """The body is larger than the gateway accepts."""

    status, code = 413, "request_too_large"


class UnsupportedMediaType(InvalidRequest):
    """The body is neither multipart/form-data nor application/json, or it is compressed."""

    status, code = 415, "unsupported_media_type"


class HeadersTooLarge(InvalidRequest):
    """The request's head has more headers, or more bytes, than the gateway reads."""

    status, code = 431, "headers_too_large"
    default_message = "The request has too many or too large headers."


class ContentRejected(GatewayError):
    """The provider's moderation refused the prompt, the picture or the result."""

    status, type, code, retry = 400, "image_generation_user_error", "moderation_blocked", False
    default_message = "The provider's safety system refused this edit."


class Unauthenticated(GatewayError):
    """The gateway key is missing or wrong."""

    status, type, code = 401, "invalid_request_error", "invalid_api_key"
    default_message = "Missing or incorrect API key."


class Forbidden(GatewayError):
    """The key is right, but may not do this."""

    status, type, code = 403, "permission_error", "permission_denied"


class RateLimited(GatewayError):
    """Too many requests; ``headers`` may say when to come back."""

    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"
    default_message = "Too many requests."


class Unavailable(GatewayError):
    """The gateway cannot take the request now; nothing was sent upstream."""

    status, type, code, retry = 503, "service_unavailable_error", "service_unavailable", True
    default_message = "The gateway cannot take this request now."


class UpstreamError(GatewayError):
    """The provider failed. Unless a subclass knows better the edit may have run: no retry."""

    status, type = 502, "upstream_error"
    code: str | None = "upstream_error"
    retry: bool | None = False
    default_message = "The provider failed to answer this edit."


class UpstreamUnreachable(UpstreamError):
    """No connection came about, so nothing was sent: safe to repeat."""

    code, retry = "upstream_unreachable", True
    default_message = "The provider could not be reached."


class UpstreamInvalid(UpstreamError):
    """The provider answered, but not with what its contract promises."""

    code = "upstream_invalid_response"
    default_message = "The provider's answer could not be understood."


class UpstreamAuth(UpstreamError):
    """The provider refused the gateway's own credentials: never a 401 to the client."""

    code = "upstream_auth"
    default_message = "The provider refused the gateway's credentials for this account."


class UpstreamTimeout(UpstreamError):
    """The provider did not answer in time."""

    status, code = 504, "upstream_timeout"
    default_message = "The provider did not answer in time."


class UpstreamRefused(UpstreamError):
    """The provider's own refusal, passed on with its status, type, code and param."""

    retry: bool | None = None

    def __init__(self, status: int, message: str, *, type: str | None = None, **rest: Any) -> None:
        self.status = status
        named = RateLimited.type if status == RateLimited.status else InvalidRequest.type
        self.type = type or (named if status < 500 else GatewayError.type)
        super().__init__(message, **rest)
        self.code = rest.get("code")


class PluginBug(GatewayError):
    """A plugin raised something that is no ``GatewayError``; details are in the log only."""

    code, retry = "plugin_error", False
    default_message = "The provider plugin failed on this request."


class _ErrorObject(msgspec.Struct):
    # Whatever a provider puts into one of these must not hide the others.
    message: Any = None
    type: Any = None
    code: Any = None
    param: Any = None
    moderation_details: Any = None


class _ErrorBody(msgspec.Struct):
    error: _ErrorObject | str | None = None


def from_upstream(
    response: UpstreamResponse, *, message: str | None = None, code: str | None = None
) -> GatewayError:
    """The error for an upstream answer outside 2xx, to be raised by ``translate_response``.

    Reads OpenAI's envelope where there is one; ``message`` and ``code`` are for providers
    with another. 401 becomes ``UpstreamAuth`` (the client's key is not at fault), 408 and
    504 ``UpstreamTimeout``, what is no error status ``UpstreamError``; everything else is an
    ``UpstreamRefused`` of the same status, 429 with the wait the provider asked for.
    """
    found = _error_object(response.body)
    said = message or _text(found.message)
    text = said or f"The provider answered with HTTP {response.status}."
    rest: dict[str, Any] = {
        "param": _text(found.param),
        "code": code or _text(found.code),
        "retry": _retry_hint(response.headers),
    }
    if found.moderation_details is not None:
        rest["details"] = {"moderation_details": found.moderation_details}
    status = response.status
    if status == 401:
        return UpstreamAuth()
    if status in (408, 504):
        return UpstreamTimeout()
    if not 400 <= status <= 599:
        return UpstreamError()
    if status >= 500:
        rest["retry"] = bool(rest["retry"])
    if status == 429:
        rest["headers"] = retry_after(response.headers)
    return UpstreamRefused(status, text[:MAX_MESSAGE_CHARS], type=_text(found.type), **rest)


def retry_after(headers: Mapping[str, str]) -> dict[str, str]:
    """The wait a provider asked for, in whole seconds from 1 to 120, as response headers."""
    wait = _wait_seconds(headers)
    if wait is None:
        return {}
    return {"retry-after": str(min(max(round(wait), 1), MAX_RETRY_AFTER_SECONDS))}


def _wait_seconds(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            wait = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(wait):
            return wait
    try:
        date = email.utils.parsedate_tz(headers.get("retry-after", ""))
        return email.utils.mktime_tz(date) - time.time() if date else None
    except (ValueError, OverflowError):  # a day or year that no calendar has
        return None


def _retry_hint(headers: Mapping[str, str]) -> bool | None:
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""))


def _error_object(body: bytes) -> _ErrorObject:
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _ErrorObject()
    return _ErrorObject(message=error) if isinstance(error, str) else error or _ErrorObject()


def _text(value: Any) -> str | None:
    """Text or a whole number as text; ``None`` for anything else and for nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None
