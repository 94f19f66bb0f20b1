"""A request as it was read, and the edit that it becomes for one model.

``Submission`` is what both readers (multipart and JSON) produce before the model is known.
``build_edit`` sorts its fields: OpenAI's parameters, the provider's options, fields that
nobody declared, and the gateway's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from retouch.capabilities import check
from retouch.decoding import Fault, decode_struct, decode_value, fields_of
from retouch.errors import GatewayError, InvalidRequest, UnknownParameter
from retouch.media.masks import Mask, check_mask
from retouch.routing import Route
from retouch.types import (
    EditRequest,
    Parameters,
    Picture,
    PictureFile,
    PictureInput,
    PictureUrl,
)

MAX_PROMPT_CHARS = 32_000
MAX_IMAGES = 16
#: Header names that a client may never set upstream, whole or by their beginning.
FORBIDDEN_HEADERS = frozenset(
    {
        "accept-encoding",
        "api-key",
        "authorization",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "idempotency-key",
        "keep-alive",
        "metadata",
        "ocp-apim-subscription-key",
        "openai-organization",
        "openai-project",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-access-token",
        "x-api-key",
        "x-auth-token",
        "x-functions-key",
        "x-host",
        "x-http-method-override",
        "x-identity-header",
        "x-real-ip",
    }
)
FORBIDDEN_HEADER_PREFIXES = (
    "content-",
    "proxy-",
    "x-amz-",
    "x-amzn-",
    "x-forwarded-",
    "x-goog-",
    "x-ms-",
    "x-original-",
    "x-retouch-",
    "x-rewrite-",
)
MAX_EXTRA_HEADERS = 32
_HEADER_NAME_CHARS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
)


class Submission(msgspec.Struct, kw_only=True):
    """What the client sent. ``fields`` holds everything but pictures, still undecoded.

    :param text: whether field values are text from a form, to be coerced by their types.
    """

    fields: dict[str, Any]
    images: tuple[PictureInput, ...] = ()
    mask: PictureInput | None = None
    markup: Picture | None = None
    text: bool = False

    @property
    def model(self) -> str:
        """The ``model`` field; empty if it is missing.

        :raises InvalidRequest: when it is not text.
        """
        model = self.fields.get("model") or ""
        if not isinstance(model, str):
            raise InvalidRequest("`model` must be text.", param="model", code="invalid_type")
        return model


def build_edit(
    submission: Submission, route: Route, request_id: str
) -> tuple[EditRequest, tuple[str, ...]]:
    """The edit for this route, and the names of dropped parameters.

    :raises InvalidRequest: naming the field at fault; nothing has been sent anywhere.
    """
    fields = dict(submission.fields)
    fields.pop("model", None)
    prompt = _prompt(fields.pop("prompt", None))
    if not submission.images:
        raise InvalidRequest(
            "Missing required parameter: `image`.", param="image", code="missing_required_parameter"
        )
    if len(submission.images) > MAX_IMAGES:
        raise InvalidRequest(
            f"At most {MAX_IMAGES} images can be sent.", param="image", code="too_many_images"
        )
    metadata = _object(fields.pop("metadata", None), "metadata")
    headers = extra_headers(fields.pop("extra_headers", None))
    if "retouch" in fields:
        raise UnknownParameter("`retouch`: there is no such gateway option.", param="retouch")
    parameters = _parameters(fields, submission.text)
    options, extra = _options(fields, route, submission.text)
    if submission.mask is not None and submission.markup is not None:
        raise InvalidRequest("`markup` cannot be combined with `mask`.", param="markup")
    edit = EditRequest(
        model=route.model.id,
        name=route.name.partition("/")[2],
        prompt=prompt,
        images=submission.images,
        mask=_mask(submission),
        markup=submission.markup,
        options=options,
        extra=extra,
        metadata=metadata,
        headers=headers,
        request_id=request_id,
        **parameters,
    )
    return check(edit, route.model.capabilities, drop=route.target.drop_params)


def name_images(error: GatewayError, images: Sequence[PictureInput]) -> None:
    """Let a refusal of ``image`` name ``images``, as JSON requests call the field.

    What a provider refused keeps its own words.
    """
    as_json = all(not isinstance(item, Picture) or item.inline for item in images)
    if images and as_json and isinstance(error, InvalidRequest) and error.param == "image":
        error.param = "images"


def extra_headers(value: Any) -> dict[str, str]:
    """The client's own upstream headers, names in lower case.

    :raises InvalidRequest: for credentials, hop-by-hop, host, content and provider headers,
        and for names or values that are not valid in HTTP.
    """
    table = _object(value, "extra_headers")
    if len(table) > MAX_EXTRA_HEADERS:
        raise InvalidRequest(
            f"At most {MAX_EXTRA_HEADERS} extra headers can be sent.", param="extra_headers"
        )
    headers: dict[str, str] = {}
    for name, text in table.items():
        if not isinstance(text, str):
            raise InvalidRequest("`extra_headers` values must be text.", param="extra_headers")
        lower = name.lower()
        valid = 0 < len(name) <= 128 and _HEADER_NAME_CHARS.issuperset(name) and _valid_value(text)
        if not valid:
            raise InvalidRequest(
                "`extra_headers` has a name or value that is not valid in HTTP.",
                param="extra_headers",
            )
        if lower in FORBIDDEN_HEADERS or lower.startswith(FORBIDDEN_HEADER_PREFIXES):
            raise InvalidRequest(
                f"The header `{lower[:64]}` cannot be set by a request.",
                param="extra_headers",
                code="header_not_allowed",
            )
        if lower in headers:
            raise InvalidRequest(
                f"`extra_headers` names `{lower[:64]}` twice.", param="extra_headers"
            )
        headers[lower] = text
    return headers


def _valid_value(text: str) -> bool:
    return len(text) <= 4096 and text.isascii() and all(c.isprintable() or c == "\t" for c in text)


def _prompt(value: Any) -> str:
    if value is None or value == "":
        raise InvalidRequest(
            "Missing required parameter: `prompt`.",
            param="prompt",
            code="missing_required_parameter",
        )
    if not isinstance(value, str):
        raise InvalidRequest("`prompt` must be text.", param="prompt", code="invalid_type")
    if len(value) > MAX_PROMPT_CHARS:
        raise InvalidRequest(
            f"The prompt has {len(value)} characters; at most {MAX_PROMPT_CHARS} are allowed.",
            param="prompt",
            code="string_above_max_length",
        )
    if "\0" in value:
        raise InvalidRequest("The prompt contains a NUL character.", param="prompt")
    return value


def _parameters(fields: dict[str, Any], text: bool) -> dict[str, Any]:
    """Take OpenAI's parameters out of ``fields``; null and, in forms, "" mean: not sent."""
    found = {}
    for field in fields_of(Parameters).values():
        value = fields.pop(field.name, None)
        if value is None or (text and value == ""):
            continue
        decoded = decode_value(value, field.type, path=field.name, strict=not text)
        if isinstance(decoded, list):
            raise _invalid(decoded[0])
        found[field.name] = decoded
    return found


def _options(fields: dict[str, Any], route: Route, text: bool) -> tuple[Any, dict[str, Any]]:
    """The provider's options struct, and the fields that nobody declared."""
    kind = route.target.info.options
    declared = {} if kind is None else fields_of(kind)
    extra = {name: value for name, value in fields.items() if name not in declared}
    policy = route.target.extra_fields or route.model.capabilities.extra_fields
    if extra and policy == "refuse":
        name = next(iter(extra))
        raise UnknownParameter(f"Unknown parameter: `{name[:64]}`.", param=name[:64])
    if kind is None:
        return None, extra
    given = {
        name: value
        for name, value in fields.items()
        if name in declared and not (value is None or (text and value == ""))
    }
    options = decode_struct(given, kind, strict=not text)
    if isinstance(options, list):
        raise _invalid(options[0])
    return options, extra


def _invalid(fault: Fault) -> InvalidRequest:
    named = f"`{fault.path}` " if fault.path else ""
    param = fault.path.partition(".")[0] or None
    message = f"{named}{fault.message.rstrip('.')}."
    return InvalidRequest(message, param=param, code="invalid_value")


def _mask(submission: Submission) -> Mask | PictureUrl | PictureFile | None:
    if not isinstance(submission.mask, Picture):
        return submission.mask
    first = submission.images[0]
    return check_mask(submission.mask, first if isinstance(first, Picture) else None)


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        # A form has only text, so an object may also come as JSON.
        try:
            value = msgspec.json.decode(value, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise InvalidRequest(f"`{name}` must be an object.", param=name, code="invalid_type")
    return value
