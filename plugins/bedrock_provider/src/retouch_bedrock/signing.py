"""AWS's signature, version 4, made by botocore's signer over a hash that we compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

#: The name in the scope; the host's name begins with ``bedrock-runtime`` all the same.
SERVICE = "bedrock"
#: Headers that are part of the signature, beside the host and the signer's own.
SIGNED = ("accept", "content-type")
SIGNED_PREFIX = "x-amzn-"


class Keys(msgspec.Struct, frozen=True):
    """AWS keys, as botocore's signer reads them."""

    access_key: str
    secret_key: str
    token: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may see."""
        return tuple(filter(None, (self.access_key, self.secret_key, self.token)))

    def __repr__(self) -> str:
        return "Keys('***')"


class ToSign(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it is about to be sent.

    :param url: with the path exactly as it goes over the wire.
    :param body_hash: the SHA-256 of the body, in hex.
    :param clock_offset: seconds by which the provider's clock is ahead of ours.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body_hash: str
    region: str
    clock_offset: float = 0.0


#: Gives the headers that the signature adds.
Signer = Callable[[ToSign, Keys], dict[str, str]]


def load() -> Signer:
    """A signer. The first time it takes a fifth of a second, since it imports botocore."""
    from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415

    class HashedAuth(SigV4Auth):  # type: ignore[misc]
        """Takes the body's hash and the time as they are given, and logs nothing.

        ``add_auth`` of the base class reads the clock itself and writes the canonical request,
        which holds the session token, to the log.
        """

        def __init__(self, keys: Keys, wanted: ToSign) -> None:
            super().__init__(keys, SERVICE, wanted.region)
            self._wanted = wanted

        def payload(self, request: Any) -> str:
            return self._wanted.body_hash

        def add_auth(self, request: Any) -> None:
            now = datetime.now(UTC) + timedelta(seconds=self._wanted.clock_offset)
            request.context["timestamp"] = now.strftime(SIGV4_TIMESTAMP)
            self._modify_request_before_signing(request)
            text = self.string_to_sign(request, self.canonical_request(request))
            self._inject_signature_to_request(request, self.signature(text, request))

    def sign(wanted: ToSign, keys: Keys) -> dict[str, str]:
        given = {name: value for name, value in wanted.headers.items() if is_signed(name)}
        request = AWSRequest(method=wanted.method, url=wanted.url, headers=given)
        HashedAuth(keys, wanted).add_auth(request)
        return {name: str(value) for name, value in request.headers.items() if name not in given}

    return sign


def is_signed(name: str) -> bool:
    """Whether a header of ours is part of the signature."""
    return name.lower() in SIGNED or name.lower().startswith(SIGNED_PREFIX)
