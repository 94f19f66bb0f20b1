"""Bedrock's errors, told apart by the exception's name: statuses alone mean several things.

Source: the error tables of AWS's Bedrock user guide ("Troubleshooting Amazon Bedrock API
Error Codes") and of the service model in botocore.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from retouch import (
    ContentRejected,
    GatewayError,
    InvalidRequest,
    ModelInfo,
    RateLimited,
    UnknownModel,
    UpstreamAuth,
    UpstreamError,
    UpstreamRefused,
    UpstreamResponse,
    UpstreamTimeout,
    errors,
)

#: The provider's clock and the gateway's are too far apart, or the signature looks so.
CLOCK = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
#: Credentials that were good a while ago.
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
#: The gateway's own credentials or rights; never the client's fault.
CREDENTIALS = (
    CLOCK
    | EXPIRED
    | {
        "AccessDenied",
        "AccessDeniedException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "UnauthorizedException",
        "UnrecognizedClientException",
    }
)

_CONTENT = re.compile(r"content (filter|polic)|safety system|responsible ai", re.IGNORECASE)
#: A guardrail that blocks answers with a 200; a refusal that names one means the configuration.
_GUARDRAIL = re.compile(r"guardrail", re.IGNORECASE)
_TOO_LARGE = re.compile(r"response payload size \d+ bytes exceeds", re.IGNORECASE)
_RETIRED = re.compile(r"end of its life|marked by provider as legacy", re.IGNORECASE)
_NEEDS_PROFILE = re.compile(r"on-demand throughput isn.t supported", re.IGNORECASE)
_WRONG_ID = re.compile(r"model identifier is invalid", re.IGNORECASE)
#: ARNs hold the account's number and the names of its roles.
_ARN = re.compile(r"arn:aws[\w-]*:[^\s\"',)]*")
_NAME_KEYS = ("code", "Code", "__type")


def name_of(response: UpstreamResponse) -> str:
    """The exception's name, from the header or else the body; empty if there is none."""
    found: Any = response.headers.get("x-amzn-errortype")
    if not found:
        body = _object(response.body)
        found = next((body[key] for key in _NAME_KEYS if isinstance(body.get(key), str)), "")
    return str(found).partition(":")[0].rpartition("#")[2].strip()


def read(response: UpstreamResponse, model: ModelInfo | None) -> GatewayError:
    """The error for any answer but 200.

    :param model: for the hint, when the model is gone.
    """
    name, message = name_of(response), _message(response.body)
    # First, since AWS says "Access denied" of a model that it has withdrawn.
    if name == "ResourceNotFoundException" or _RETIRED.search(message):
        return _gone(message, model)
    if _TOO_LARGE.search(message):
        return _too_large()
    make = _BY_NAME.get(name)
    if make is not None:
        return make(message, errors.retry_after(response.headers))
    if name in CREDENTIALS or response.status in (401, 403):
        return UpstreamAuth()
    return errors.from_upstream(response, message=message or None)


def _too_large() -> InvalidRequest:
    # Of no known status or name. The edit has run, so that nothing may repeat it unchanged.
    return InvalidRequest(
        "The result is larger than the 16,777,216 bytes that the provider answers with; "
        "`output_format` jpeg or webp makes it smaller.",
        param="output_format",
        code="result_too_large",
        retry=False,
    )


def _invalid(message: str, wait: dict[str, str]) -> GatewayError:
    if _GUARDRAIL.search(message):
        return UpstreamError(
            f"The provider refused the guardrail of the gateway's configuration: {message}",
            code="guardrail_refused",
        )
    if _CONTENT.search(message):
        return ContentRejected(message)
    if _NEEDS_PROFILE.search(message):
        return InvalidRequest(
            "This model can only be called through an inference profile: put `us.` before its id, "
            "or configure the profile's id or ARN.",
            param="model",
            code="inference_profile_required",
        )
    if _WRONG_ID.search(message):
        return InvalidRequest(
            "The provider does not know this model in the account's region. The `us.` profiles "
            "exist in us-east-1, us-east-2 and us-west-2.",
            param="model",
            code="invalid_model",
        )
    return InvalidRequest(
        message or "The provider refused a field of this edit.", code="upstream_validation"
    )


def _gone(message: str, model: ModelInfo | None) -> UnknownModel:
    said = message or "The provider does not have this model."
    hint = f" {model.hint[:1].upper()}{model.hint[1:]}." if model is not None and model.hint else ""
    return UnknownModel(said + hint, param="model")


def _limited(message: str, wait: dict[str, str]) -> RateLimited:
    return RateLimited(message or None, headers=wait)


def _not_ready(message: str, wait: dict[str, str]) -> RateLimited:
    return RateLimited(message or None, code="model_not_ready", headers=wait)


def _quota(message: str, wait: dict[str, str]) -> RateLimited:
    said = message or "The provider's quota for this account is used up."
    return RateLimited(said, code="insufficient_quota", retry=False)


def _slow(message: str, wait: dict[str, str]) -> UpstreamTimeout:
    return UpstreamTimeout("The model did not finish in time.")


def _failed(message: str, wait: dict[str, str]) -> UpstreamError:
    return UpstreamError(message or "The model failed on this edit.")


def _unavailable(message: str, wait: dict[str, str]) -> UpstreamRefused:
    # It has refused the work, so nothing was paid for.
    said = message or "The provider is not available."
    return UpstreamRefused(503, said, code="service_unavailable", retry=True, headers=wait)


#: By the exception's name: the error for its message and the wait that was asked for.
_BY_NAME: dict[str, Callable[[str, dict[str, str]], GatewayError]] = {
    "ValidationException": _invalid,
    "ThrottlingException": _limited,
    "TooManyRequestsException": _limited,
    "ModelNotReadyException": _not_ready,
    "ServiceQuotaExceededException": _quota,
    "ModelTimeoutException": _slow,
    "ModelErrorException": _failed,
    "InternalServerException": _failed,
    "InternalFailure": _failed,
    "ServiceUnavailableException": _unavailable,
}


def _message(body: bytes) -> str:
    """What the provider says, on its own: Stability's messages are JSON inside JSON."""
    found = _object(body)
    message = found.get("message") or found.get("Message") or ""
    if not isinstance(message, str):
        return ""
    if message.lstrip().startswith("{"):
        inner = _object(message.encode())
        detail = inner.get("detail") or inner.get("message") or message
        message = detail if isinstance(detail, str) else _listed(detail)
    return _ARN.sub("(an ARN)", message)[: errors.MAX_MESSAGE_CHARS]


def _listed(detail: Any) -> str:
    """A detail that is no text, such as a list of faults, as JSON."""
    return msgspec.json.encode(detail).decode()


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
