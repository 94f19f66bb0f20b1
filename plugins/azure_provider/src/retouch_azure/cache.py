"""One token per account: one renewal at a time, before the token ends."""

from __future__ import annotations

import asyncio
import copy
import time

from retouch import Http, UpstreamError
from retouch_azure.settings import Entra
from retouch_azure.tokens import Token, fetch

#: After a renewal that failed, a token that is still good is used this long before the next.
PAUSE_SECONDS = 30.0
#: With a token that is still good in hand, an edit waits no longer than this for another.
PATIENCE_SECONDS = 10.0


class TokenCache:
    """The token of one account; lives in ``account.state``."""

    def __init__(self, entra: Entra) -> None:
        self._entra = entra
        self._lock = asyncio.Lock()
        self._token: Token | None = None
        self._pause_ends = 0.0
        self._failure: UpstreamError | None = None
        self._failures = 0

    async def get(self, http: Http, *, refused: Token | None = None) -> Token:
        """A token that is good now.

        :param refused: a token that the provider did not take. Nobody is given it any more,
            but the identity service may keep tokens itself and hand out the same text again.
        :raises UpstreamAuth: the identity service refused.
        :raises UpstreamUnreachable: it did not answer.
        """
        if refused is not None and refused is self._token:
            self._token = None
        held = self._good()
        # While one edit renews a token that is still good, the others go on with it.
        if held is not None and (self._is_fresh(held) or self._lock.locked()):
            return held
        failures = self._failures
        async with self._lock:
            held = self._good()
            if held is not None and self._is_fresh(held):
                return held
            if self._failure is not None and self._failures != failures:
                # It was asked, and failed, while this edit waited: asking for every one of
                # those who wait in turn would take each of them longer than the last.
                raise copy.copy(self._failure)
            return await (self._fetched(http) if held is None else self._renewed(held, http))

    async def _fetched(self, http: Http) -> Token:
        try:
            self._token = await fetch(self._entra, http)
        except UpstreamError as error:
            self._failures += 1
            # A copy has no traceback, whose frames would keep the edit's pictures alive.
            self._failure = copy.copy(error)
            raise
        return self._token

    async def _renewed(self, held: Token, http: Http) -> Token:
        """Another token, or the held one for a while longer."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._token = await fetch(self._entra, http)
                return self._token
        except (UpstreamError, TimeoutError):
            # The token itself stays as it is, also if another edit was refused with it by now.
            self._pause_ends = time.monotonic() + PAUSE_SECONDS
            return held

    def _good(self) -> Token | None:
        token = self._token
        return None if token is None or time.monotonic() >= token.ends else token

    def _is_fresh(self, token: Token) -> bool:
        return time.monotonic() < max(token.renew, self._pause_ends)
