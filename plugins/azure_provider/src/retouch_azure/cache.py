"""One token per account: one renewal at a time, before the token ends."""

from __future__ import annotations

import asyncio
import copy
import time

import msgspec

from retouch import Http, UpstreamError
from retouch_azure.settings import Entra
from retouch_azure.tokens import Token, fetch

#: After a renewal that failed, a token that is still good is used this long before the next.
PAUSE_SECONDS = 30.0


class TokenCache:
    """The token of one account; lives in ``account.state``."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra
        self._lock = asyncio.Lock()
        self._token: Token | None = None
        self._failure: UpstreamError | None = None
        self._failures = 0

    async def get(self, http: Http, *, refused: str | None = None) -> str:
        """A token that is good now.

        :param refused: a token that the provider did not take; another one is fetched.
        :raises UpstreamAuth: the identity service refused.
        :raises UpstreamUnreachable: it did not answer.
        """
        held = self._good(refused)
        # While one edit renews a token that is still good, the others go on with it.
        if held is not None and (time.monotonic() < held.renew or self._lock.locked()):
            return held.text
        failures = self._failures
        async with self._lock:
            held = self._good(refused)
            if held is not None and time.monotonic() < held.renew:
                return held.text
            if self._failure is not None and self._failures != failures:
                # It was asked, and failed, while this edit waited: asking for every one of
                # those who wait in turn would take each of them longer than the last.
                raise copy.copy(self._failure)
            return (await self._renewed(held, http)).text

    async def _renewed(self, held: Token | None, http: Http) -> Token:
        try:
            self._token = await fetch(self._entra, http)
        except UpstreamError as error:
            if held is None:
                self._failures += 1
                self._failure = error
                raise
            later = min(time.monotonic() + PAUSE_SECONDS, held.ends)
            self._token = msgspec.structs.replace(held, renew=later)
        return self._token

    def _good(self, refused: str | None) -> Token | None:
        token = self._token
        if token is None or token.text == refused or time.monotonic() >= token.ends:
            return None
        return token
