"""OAuth tokens for an account: google-auth at work in a thread, one refresh at a time.

google-auth blocks, so it is only ever called in a worker thread; ``refresh()`` and not
``before_request()``, which starts threads of its own. It is imported there as well: it takes
a fifth of a second.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import json
import logging
import os
import re
import time
import warnings
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec

from retouch import GatewayError, UpstreamAuth, UpstreamUnreachable
from retouch_vertex.settings import Settings

log = logging.getLogger("retouch.vertex")

#: google-auth's way to send a request; blocking.
Transport = Callable[..., Any]

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
#: From here on a token is renewed while it still serves (google-auth's own threshold).
STALE_SECONDS = 225.0
#: So close to its end a token may die on its way.
DEAD_SECONDS = 10.0
#: After a renewal that failed, while the old token still serves.
PAUSE_SECONDS = 10.0
#: One answer of a token service.
TIMEOUT_SECONDS = 10.0
#: What may be a credential in an error's text: a token service can repeat what it was sent.
_OPAQUE = re.compile(r"(?=[\w+/=~-]{0,200}\d)[\w+/=~-]{20,}")
#: google-auth warns of credential files from strangers; these come from the operator.
_GENERIC_LOAD = r"google\.auth\._default$"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A token, and what goes with it.

    :param expires: unix seconds; ``None``: never.
    """

    token: str
    expires: float | None = None
    quota_project: str | None = None

    def __repr__(self) -> str:
        return "<Grant>"


class Tokens:
    """The current token of one account, renewed in time.

    :param obtain: makes a new one, blocking; its argument says that Google refused the last.
    """

    def __init__(self, obtain: Callable[[bool], Grant]) -> None:
        self._obtain = obtain
        self._grant: Grant | None = None
        self._running: asyncio.Future[Grant] | None = None
        self._pause_until = 0.0

    async def get(self, refused: str | None = None) -> Grant:
        """A token that serves; waits only when there is none.

        :param refused: a token that Google did not take. Nobody is given it any more, unless
            it is all that the token service has.
        :raises UpstreamAuth: when Google gives none to these credentials.
        :raises UpstreamUnreachable: when the token service does not answer.
        """
        if self._grant is not None and self._grant.token == refused:
            self._grant = None
        grant = self._grant
        if grant is not None:
            left = STALE_SECONDS + 1 if grant.expires is None else grant.expires - time.time()
            if left > DEAD_SECONDS:
                if left <= STALE_SECONDS and time.monotonic() >= self._pause_until:
                    self._start(refused=False)
                return grant
        try:
            # Shielded: the others who wait must not lose it when one client leaves.
            return await asyncio.shield(self._start(refused=refused is not None))
        except GatewayError as error:
            # One for each who waits: the core adds to an error what is of its edit alone.
            raise copy.copy(error) from None

    def _start(self, *, refused: bool) -> asyncio.Future[Grant]:
        if self._running is None:
            loop = asyncio.get_running_loop()
            self._running = loop.run_in_executor(None, self._obtain, refused)
            self._running.add_done_callback(self._done)
        return self._running

    def _done(self, running: asyncio.Future[Grant]) -> None:
        self._running = None
        if running.cancelled():
            return
        if running.exception() is None:
            self._grant = running.result()
        else:
            self._pause_until = time.monotonic() + PAUSE_SECONDS


class Source:
    """Where an account's tokens come from. ``obtain`` blocks, and is called by one at a time."""

    def __init__(self, settings: Settings, account: str) -> None:
        self._settings = settings
        self._account = account
        self._credentials: Any = None
        self._self_signed = False

    def obtain(self, refused: bool) -> Grant:
        """A new token.

        :param refused: Google did not take the last one; if we had signed it ourselves the
            next one comes from the token service.
        :raises GatewayError: see ``Tokens.get``.
        """
        errors = _library("auth.exceptions")
        try:
            request = _transport()
            if self._credentials is None:
                self._credentials = self._load(request)
            if refused and self._self_signed:
                self._credentials = self._credentials.with_always_use_jwt_access(False)
                self._self_signed = False
            self._credentials.refresh(request)
        except errors.GoogleAuthError as error:
            unreached = isinstance(error, errors.TransportError) or isinstance(
                error.__cause__, errors.TransportError
            )
            raise self._failed(error, unreached=unreached or error.retryable) from error
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise self._failed(error, unreached=False) from error
        return _grant(self._credentials)

    def _load(self, request: Transport) -> Any:
        credentials = self._given(request)
        if self._settings.impersonate is not None:
            return _library("auth.impersonated_credentials").Credentials(
                source_credentials=credentials,
                target_principal=self._settings.impersonate,
                target_scopes=list(SCOPES),
            )
        if isinstance(credentials, _library("oauth2.service_account").Credentials):
            self._self_signed = True
            return credentials.with_always_use_jwt_access(True)
        return credentials

    def _given(self, request: Transport) -> Any:
        auth = _library("auth")
        info = self._document()
        if info is not None and info.get("type") == "service_account":
            return _service_account(info)
        # Not `catch_warnings`: it would silence, and then reset, those of all other threads.
        warnings.filterwarnings("ignore", module=_GENERIC_LOAD)
        # With scopes it would ask yet another service for the project's name.
        if info is None:
            found, _ = auth.default(request=request)
        else:
            found, _ = auth.load_credentials_from_dict(
                info, quota_project_id=info.get("quota_project_id"), request=request
            )
        return _library("auth.credentials").with_scopes_if_required(found, list(SCOPES))

    def _document(self) -> Any:
        """The JSON of the settings, or of the file that the environment names."""
        if self._settings.credentials is not None:
            return json.loads(self._settings.credentials.reveal())
        path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        return json.loads(Path(path).read_text("utf-8")) if path else None

    def _failed(self, error: Exception, *, unreached: bool) -> GatewayError:
        # The operator has to know why. The further arguments are whole answers.
        why = str(error if isinstance(error, OSError) else (*error.args, "")[0])
        if isinstance(error, ValueError):
            why = "the credentials cannot be read"
        line = "".join(c if c.isprintable() else " " for c in _OPAQUE.sub("***", why[:4096]))
        log.warning("account %s: no token: %s: %s", self._account, type(error).__name__, line[:200])
        if unreached:
            return UpstreamUnreachable("Google's token service could not be reached.")
        return UpstreamAuth("Google gives no token to this account's credentials.")


def _library(name: str) -> Any:
    """A module of google-auth, which is only partly typed."""
    return importlib.import_module(f"google.{name}")


def _service_account(info: dict[str, Any]) -> Any:
    """As google-auth would make it, but for the check of the key.

    That check takes 100 ms and holds the interpreter's lock, so that nothing else runs, in a
    thread or not. The key is the operator's own; if it is broken Google refuses what it signs.
    """
    serialization = importlib.import_module("cryptography.hazmat.primitives.serialization")
    key = serialization.load_pem_private_key(
        info["private_key"].encode(), None, unsafe_skip_rsa_key_validation=True
    )
    return _library("oauth2.service_account").Credentials(
        _library("auth.crypt").RSASigner(key, info.get("private_key_id")),
        service_account_email=info["client_email"],
        token_uri=info["token_uri"],
        scopes=list(SCOPES),
        quota_project_id=info.get("quota_project_id")
        or os.environ.get("GOOGLE_CLOUD_QUOTA_PROJECT"),
        universe_domain=info.get("universe_domain", "googleapis.com"),
    )


def _transport() -> Transport:
    pool = importlib.import_module("urllib3").PoolManager(retries=False)
    request = _library("auth.transport.urllib3").Request(pool)

    def bounded(url: str, *args: Any, **rest: Any) -> Any:
        rest["timeout"] = min(rest.get("timeout") or TIMEOUT_SECONDS, TIMEOUT_SECONDS)
        return request(url, *args, **rest)

    return bounded


def _grant(credentials: Any) -> Grant:
    expires = credentials.expiry
    return Grant(
        token=str(credentials.token),
        # google-auth keeps UTC without saying so.
        expires=None if expires is None else expires.replace(tzinfo=UTC).timestamp(),
        quota_project=credentials.quota_project_id,
    )
