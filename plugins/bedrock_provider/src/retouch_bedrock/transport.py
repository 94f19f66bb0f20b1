"""The way to Bedrock: find the endpoint, sign exactly what is sent, send it once.

A second request is made in two cases only, in both of which Bedrock has refused the first
before any work: the clocks differ, or the credentials have just expired and there are others.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import secrets
import time

import msgspec

from retouch import Account, Body, Http, UpstreamRequest, UpstreamResponse
from retouch_bedrock import failures, signing
from retouch_bedrock.identity import Access, Bearer, Identity
from retouch_bedrock.location import Place

log = logging.getLogger(__name__)

#: From this size on a body is hashed in a thread (about 3 ms per MiB, base64 included).
HASH_IN_THREAD = 1024 * 1024
#: Above this size an answer is a picture and no message that might repeat a credential.
MAX_SCRUBBED = 64 * 1024
#: A signature holds for five minutes; seconds below this are no reason for a refusal.
MIN_CLOCK_CHANGE = 60.0
#: Nova's and Titan's largest seed.
MAX_SEED = 2_147_483_646


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What ``translate_request`` leaves for ``call``.

    :param model: the id, profile id or ARN as it was asked for.
    :param profiled: whether that is a bare id which only its ``us.`` profile serves.
    :param draw_seed: the body ends with an ``imageGenerationConfig`` without a seed.
    """

    model: str
    profiled: bool = False
    draw_seed: bool = False


async def invoke(request: UpstreamRequest, account: Account, http: Http) -> UpstreamResponse:
    """The answer of ``InvokeModel``, whatever its status, without our credentials in it.

    :raises UpstreamAuth: when there are no credentials.
    :raises UpstreamError: when there is no answer.
    """
    access = access_of(account)
    wanted: Invocation = request.context
    place = await access.place()
    request = msgspec.structs.replace(
        request,
        url=place.url(wanted.model, profiled=wanted.profiled),
        body=with_seed(request.body) if wanted.draw_seed else request.body,
    )
    identity = await access.identity()
    sender = _Sender(request, access, place, http)
    response = await sender.send(identity)
    name = failures.name_of(response) if response.status >= 400 else ""
    offset = clock_offset(response) if name in failures.CLOCK else None
    if offset is not None and abs(offset - access.clock_offset) >= MIN_CLOCK_CHANGE:
        access.clock_offset = offset
        log.warning("account `%s`: AWS's clock is ahead by %.0f seconds", account.name, offset)
        response = await sender.send(identity)
    elif name in failures.EXPIRED and (other := await access.renewed(identity)) is not None:
        identity = other
        response = await sender.send(identity)
    _log_refusal(response, account)
    return _scrubbed(response, identity)


def access_of(account: Account) -> Access:
    """The account's credentials and place, kept for as long as the account."""
    found: Access = account.state.get("access") or Access(account.settings)
    account.state["access"] = found
    return found


def with_seed(body: Body) -> Body:
    """The body with a random seed in its ``imageGenerationConfig``, which stands at its end.

    Without one these models use a fixed seed, so that every edit and every one of ``n`` calls
    would give the same picture.
    """
    *segments, tail = body.segments
    if not isinstance(tail, bytes) or not tail.endswith(b"}}"):
        raise TypeError("the body does not end with its imageGenerationConfig")
    seed = secrets.randbelow(MAX_SEED + 1)
    return Body((*segments, tail[:-2] + b',"seed":%d}}' % seed), body.content_type)


def clock_offset(response: UpstreamResponse) -> float | None:
    """By how many seconds the provider is ahead of us, if it says what time it is."""
    date = email.utils.parsedate_tz(response.headers.get("date", ""))
    if date is None:
        return None
    try:
        return email.utils.mktime_tz(date) - time.time()
    except (ValueError, OverflowError):
        return None


class _Sender:
    """Sends one request, with one hash of its body for all signatures."""

    def __init__(self, request: UpstreamRequest, access: Access, place: Place, http: Http) -> None:
        self._request = request
        self._access = access
        self._place = place
        self._http = http
        self._hash: str | None = None

    async def send(self, identity: Identity) -> UpstreamResponse:
        if isinstance(identity, Bearer):
            more = {"Authorization": f"Bearer {identity.token}"}
        else:
            signer = await self._access.signer()
            more = signer(await self._to_sign(), identity)
        headers = {**self._request.headers, **more}
        return await self._http.send(msgspec.structs.replace(self._request, headers=headers))

    async def _to_sign(self) -> signing.ToSign:
        body = self._request.body
        if self._hash is None:
            large = body.size > HASH_IN_THREAD
            self._hash = await asyncio.to_thread(body.sha256) if large else body.sha256()
        return signing.ToSign(
            method=self._request.method,
            url=self._request.url,
            headers=self._request.headers,
            body_hash=self._hash,
            region=self._place.region,
            clock_offset=self._access.clock_offset,
        )


def _log_refusal(response: UpstreamResponse, account: Account) -> None:
    """Tell the operator why credentials were refused, since the client is not told."""
    name = failures.name_of(response) if response.status >= 400 else ""
    # Only names from the list: anything else may repeat what was sent.
    if name in failures.CREDENTIALS:
        log.warning("Bedrock refused account `%s`: %s", account.name, name)


def _scrubbed(response: UpstreamResponse, identity: Identity) -> UpstreamResponse:
    """The answer with AWS's request id as OpenAI's, and without credentials in a message.

    The core does the same for secrets in the settings, but cannot know those of the chain.
    """
    headers = response.headers
    if "x-amzn-requestid" in headers:
        headers = {**headers, "x-request-id": headers["x-amzn-requestid"]}
    body = response.body
    if len(body) <= MAX_SCRUBBED:
        for secret in identity.secrets:
            body = body.replace(secret.encode(), b"***")
    return msgspec.structs.replace(response, headers=headers, body=body)
