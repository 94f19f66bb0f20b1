"""AWS Signature Version 4 as the receiver computes it, from the bytes on the wire.

Written from AWS's description of the algorithm ("Create a signed AWS API request"), and
shares no code with the signer under test.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote

from tests.fakes.aws_server import Received

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/(?P<day>\d{8})/(?P<region>[^/,]+)/"
    r"(?P<service>[^/,]+)/aws4_request, SignedHeaders=(?P<headers>[a-z0-9;-]+), "
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
#: Headers that AWS wants to see signed.
REQUIRED = {"host", "x-amz-date", "content-type"}


class SignatureFault(Exception):
    """Why a signature is refused: AWS's name for it, and what is said."""

    def __init__(self, name: str, message: str = "") -> None:
        super().__init__(name)
        self.name = name
        self.message = message or "The request signature we calculated does not match."


class Scope:
    """Who signed, and for where."""

    def __init__(self, found: re.Match[str]) -> None:
        self.key, self.day, self.region = found["key"], found["day"], found["region"]
        self.service, self.headers = found["service"], found["headers"].split(";")
        self.signature = found["signature"]


def read(authorization: str) -> Scope:
    """The parts of the header; an incomplete one is refused."""
    if not authorization:
        raise SignatureFault("MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        raise SignatureFault("IncompleteSignatureException", "Authorization header is not whole")
    return Scope(found)


def check(received: Received, scope: Scope, secret: str, now: datetime) -> None:
    """Compare the signature with the one that belongs to these very bytes."""
    headers = received.headers
    if scope.service != "bedrock":
        raise SignatureFault("InvalidSignatureException", "Credential should be scoped to: bedrock")
    unsigned = (REQUIRED | {name for name in headers if name.startswith("x-amz-")}) - set(
        scope.headers
    )
    if unsigned:
        raise SignatureFault("InvalidSignatureException", f"not signed: {', '.join(unsigned)}")
    stamp = headers["x-amz-date"]
    signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs((now - signed_at).total_seconds()) > 300:
        raise SignatureFault("InvalidSignatureException", f"Signature expired: {stamp}")
    if not stamp.startswith(scope.day):
        raise SignatureFault("InvalidSignatureException", "the day of the scope is another")
    if expected(received, scope, secret) != scope.signature:
        raise SignatureFault("InvalidSignatureException")


def expected(received: Received, scope: Scope, secret: str) -> str:
    """The signature of a request, in hex."""
    path, _, query = received.path.partition("?")
    canonical = "\n".join(
        [
            received.method,
            # Every service but S3 encodes the path once more, as it was sent.
            quote(path, safe="/-_.~"),
            query,
            *(f"{name}:{' '.join(received.headers[name].split())}" for name in scope.headers),
            "",
            ";".join(scope.headers),
            hashlib.sha256(received.body).hexdigest(),
        ]
    )
    place = f"{scope.day}/{scope.region}/{scope.service}/aws4_request"
    text = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            received.headers["x-amz-date"],
            place,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = f"AWS4{secret}".encode()
    for part in place.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
