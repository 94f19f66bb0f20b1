"""Tokens from Entra ID, by the three flows that a service has, over the edit's own ``http``.

Sources: Microsoft identity platform (client credentials, federated credentials), Azure
Instance Metadata Service and App Service documentation, as azure-identity 1.27 and msal 1.39
implement them. Nothing of an identity service's answer reaches a client.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from retouch import (
    BaseUrl,
    Body,
    Http,
    UpstreamAuth,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamUnreachable,
)
from retouch_azure.settings import Entra

PUBLIC_CLOUD = "https://login.microsoftonline.com"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: A token is renewed this long before it ends, or at half its life if that is shorter.
EARLY_SECONDS = 300.0
#: For an answer that does not say, in a way that can be true, how long its token lives.
DEFAULT_LIFE_SECONDS = 300.0
MAX_LIFE_SECONDS = 7 * 86_400.0
#: Waits between attempts; in all a little more than the 70 s that IMDS may be updating itself.
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)
#: What a second attempt may cure.
TRANSIENT = frozenset({429, 500, 502, 503, 504})
#: IMDS also says 404 while it starts and 410 while it is updated. From Entra ID a 404 is a wrong
#: authority, and for good.
TRANSIENT_AT_IMDS = TRANSIENT | {404, 410}
MAX_TOKEN_CHARS = 16_384

_TOKEN = re.compile(r"[\x21-\x7e]+")
_WORD = re.compile(r"[a-z_]{1,64}")

log = logging.getLogger("retouch.plugins.azure")


class Token(msgspec.Struct, frozen=True):
    """An access token; times are those of ``time.monotonic``."""

    text: str
    ends: float
    renew: float

    def __repr__(self) -> str:
        return "Token('***')"


async def fetch(entra: Entra, http: Http) -> Token:
    """A new token.

    :raises UpstreamAuth: the identity service refused, or something is not configured.
    :raises UpstreamUnreachable: it did not answer; nothing was spent, so this may be repeated.
    """
    if entra.managed_identity:
        response = await _asked(_managed(entra), http, TRANSIENT_AT_IMDS)
    else:
        response = await _asked(await _client(entra), http, TRANSIENT)
    if response.status == 200:
        return _token(response.body)
    log.warning("the identity service refused to give a token: %s", _reason(response))
    raise UpstreamAuth


async def _client(entra: Entra) -> UpstreamRequest:
    """Client credentials, proved by a secret or by a federated token."""
    tenant = entra.tenant_id or _variable("AZURE_TENANT_ID")
    form = {
        "grant_type": "client_credentials",
        "client_id": entra.client_id or _variable("AZURE_CLIENT_ID"),
        "scope": entra.scope,
    }
    authority = entra.authority
    if entra.client_secret is not None:
        form["client_secret"] = entra.client_secret.reveal()
    else:
        authority = authority or _authority()
        form["client_assertion_type"] = ASSERTION_TYPE
        form["client_assertion"] = await _federated_token(entra)
    return UpstreamRequest(
        method="POST",
        url=f"{(authority or PUBLIC_CLOUD).rstrip('/')}/{tenant}/oauth2/v2.0/token",
        headers={"Accept": "application/json"},
        body=Body((urlencode(form).encode(),), "application/x-www-form-urlencoded"),
    )


def _managed(entra: Entra) -> UpstreamRequest:
    """The identity of an App Service, where the environment says so, else of the machine."""
    query = {"resource": entra.scope.removesuffix("/.default")}
    if entra.client_id is not None:
        query["client_id"] = entra.client_id
    endpoint, proof = os.environ.get("IDENTITY_ENDPOINT"), os.environ.get("IDENTITY_HEADER")
    if endpoint and proof:
        url, headers = endpoint, {"X-IDENTITY-HEADER": proof}
        query = {"api-version": "2019-08-01", **query}
    else:
        url, headers = f"{entra.imds_endpoint}/metadata/identity/oauth2/token", {"Metadata": "true"}
        query = {"api-version": "2018-02-01", **query}
    return UpstreamRequest(method="GET", url=f"{url}?{urlencode(query)}", headers=headers)


async def _asked(
    request: UpstreamRequest, http: Http, transient: frozenset[int]
) -> UpstreamResponse:
    """The identity service's answer, asked again while it says that it is busy."""
    for wait in (*WAITS, None):
        try:
            response = await http.send(request)
        except UpstreamError as error:
            log.warning("the identity service did not answer (%s)", type(error).__name__)
            raise _unreachable() from error
        if response.status not in transient:
            return response
        if wait is None or http.remaining <= wait:
            break
        await asyncio.sleep(wait)
    log.warning("the identity service is not available: %s", _reason(response))
    raise _unreachable()


def _unreachable() -> UpstreamUnreachable:
    return UpstreamUnreachable("The provider's identity service could not be reached.")


async def _federated_token(entra: Entra) -> str:
    path = Path(entra.federated_token_file or _variable("AZURE_FEDERATED_TOKEN_FILE"))
    try:
        # Kubernetes replaces the file about every hour, so it is read each time.
        return (await asyncio.to_thread(path.read_text, "utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        log.warning("the federated token file cannot be read (%s)", type(error).__name__)
        raise UpstreamAuth from error


def _authority() -> str | None:
    """The environment's authority, if it has one; as in the settings, never over plain http."""
    value = os.environ.get("AZURE_AUTHORITY_HOST")
    if not value:
        return None
    try:
        # Other Azure SDKs also take a host's name alone.
        return msgspec.convert(value if "://" in value else f"https://{value}", BaseUrl)
    except msgspec.ValidationError as error:
        log.warning("the environment variable AZURE_AUTHORITY_HOST is not an https address")
        raise UpstreamAuth from error


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        log.warning("the environment variable %s is not set", name)
        raise UpstreamAuth
    return value


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float | None = None
    expires_on: float | None = None


def _token(body: bytes) -> Token:
    try:
        # IMDS and App Service send numbers as text.
        answer = msgspec.json.decode(body, type=_Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.warning("the identity service's answer is no token")
        raise _unreachable() from error
    text = answer.access_token
    if len(text) > MAX_TOKEN_CHARS or not _TOKEN.fullmatch(text):
        log.warning("the identity service's token cannot be sent in a header")
        raise _unreachable()
    life = DEFAULT_LIFE_SECONDS
    if answer.expires_in is not None:
        life = answer.expires_in
    elif answer.expires_on is not None:
        life = answer.expires_on - time.time()
    if not 0 < life < MAX_LIFE_SECONDS:
        # A clock that is wrong must not make a good token useless.
        life = DEFAULT_LIFE_SECONDS
    now = time.monotonic()
    return Token(text, ends=now + life, renew=now + life - min(EARLY_SECONDS, life / 2))


def _reason(response: UpstreamResponse) -> str:
    """The status and the error's name and numbers: what an operator looks up, and no more."""
    try:
        body: Any = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    words = [f"HTTP {response.status}"]
    if isinstance(body, dict):
        error, codes = body.get("error"), body.get("error_codes")
        if isinstance(error, str) and _WORD.fullmatch(error):
            words.append(error)
        if isinstance(codes, list):
            words += [f"AADSTS{code}" for code in codes if isinstance(code, int)]
    return " ".join(words)
