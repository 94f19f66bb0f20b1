"""Who asks: a gateway key in a header, looked up by its SHA-256 and compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.types import Scope

from retouch.config import KeyConfig
from retouch.errors import Unauthenticated
from retouch.routing import Caller

KEY_PREFIX = "rt-"
MAX_KEY_CHARS = 8_192


class Keys:
    """The gateway keys. Without any, everybody who can connect may use every account."""

    def __init__(self, keys: tuple[KeyConfig, ...]) -> None:
        self._keys = [
            (
                bytes.fromhex(key.sha256),
                Caller(key.name, None if key.accounts is None else frozenset(key.accounts)),
            )
            for key in keys
        ]

    def caller(self, scope: Scope) -> Caller:
        """Who sent this request, decided from its headers alone.

        Read are ``Authorization: Bearer`` and, for Azure clients, ``api-key``.

        :raises Unauthenticated: for a missing or wrong key, always in the same words.
        """
        if not self._keys:
            return Caller()
        digest = hashlib.sha256(_presented(scope)).digest()
        found: Caller | None = None
        for known, caller in self._keys:
            # Every key is compared, so that the time says nothing about which one is close.
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise Unauthenticated
        return found


def new_key() -> tuple[str, str]:
    """A new key of 256 random bits, and the SHA-256 that goes into the configuration."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return key, hashlib.sha256(key.encode()).hexdigest()


def _presented(scope: Scope) -> bytes:
    bearer: bytes = b""
    api_key: bytes = b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, rest = value.partition(b" ")
            bearer = rest.strip() if scheme.lower() == b"bearer" else b""
        elif name == b"api-key":
            api_key = value.strip()
    return (bearer or api_key)[:MAX_KEY_CHARS]
