"""Take an account's credentials out of text that a provider may have echoed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from retouch.errors import GatewayError
from retouch.types import Secret

#: Shorter values are no credentials worth hiding, and would blot out ordinary words.
MIN_SECRET_CHARS = 6


def redact(text: str, settings: Any) -> str:
    """``text`` with every secret of ``settings`` replaced by ``***``."""
    # The longest first: one secret may be the beginning of another.
    for secret in sorted(secrets(settings), key=len, reverse=True):
        if len(secret) >= MIN_SECRET_CHARS:
            text = text.replace(secret, "***")
    return text


def redact_error(error: GatewayError, settings: Any) -> None:
    """Take every secret of ``settings`` out of all that an error tells the client.

    A provider may repeat the request anywhere in its error object, not only in the message.
    """
    for name in ("message", "type", "code", "param", "details", "headers"):
        setattr(error, name, _redacted(getattr(error, name), settings))


def _redacted(value: Any, settings: Any) -> Any:
    if isinstance(value, str):
        return redact(value, settings)
    if isinstance(value, dict):
        return {name: _redacted(item, settings) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, settings) for item in value]
    return value


def secrets(value: Any) -> Iterator[str]:
    """The texts of all ``Secret`` values anywhere inside a settings struct."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from secrets(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from secrets(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets(item)
