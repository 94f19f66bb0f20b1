"""Who an account is to AWS: a bearer key, keys of its own, or what AWS's chain finds.

The chain reads files, runs programs and asks other servers, so all of it happens in one
thread per account: off the event loop, and never twice at a time.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from retouch import UpstreamAuth, UpstreamError
from retouch_bedrock import location, signing
from retouch_bedrock.location import Place
from retouch_bedrock.settings import Settings
from retouch_bedrock.signing import Keys, Signer

log = logging.getLogger(__name__)

BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
#: After a failure the chain is not asked again for so many seconds.
FAILURE_SECONDS = 5.0
#: So many seconds before their end credentials may no longer be used (as in botocore).
MANDATORY_REFRESH_SECONDS = 600
#: Credentials that cannot be replaced go on serving until so many seconds before their end.
LAST_SECONDS = 30

T = TypeVar("T")


class Bearer(msgspec.Struct, frozen=True):
    """A Bedrock API key."""

    token: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may see."""
        return (self.token,)

    def __repr__(self) -> str:
        return "Bearer('***')"


Identity = Bearer | Keys


class Access:
    """An account's credentials and place; made once per account.

    :param environ: the environment's variables.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._environ = os.environ if environ is None else environ
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="retouch-aws")
        self._session: Any = None
        self._credentials: Any = None
        self._last: Keys | None = None
        self._refreshing = False
        self._failed_at = -FAILURE_SECONDS
        self._place: Place | None = None
        self._signer: Signer | None = None
        #: Seconds by which the provider's clock is ahead of ours, once it has complained.
        self.clock_offset = 0.0

    async def place(self) -> Place:
        """Region and endpoint.

        :raises UpstreamError: when there is no region.
        """
        if self._place is None:
            region = location.region(self._settings, self._environ)
            endpoint = location.endpoint(self._settings, self._environ)
            if region is None or (endpoint is None and self._uses_files()):
                region, endpoint = await self.run(partial(self._configured, region, endpoint))
            self._place = location.place(region, endpoint)
        return self._place

    async def identity(self) -> Identity:
        """What to sign with, refreshed if need be.

        :raises UpstreamAuth: when there are no credentials, or they cannot be refreshed.
        """
        static = self._static()
        if static is not None:
            return static
        last = self._last
        # While somebody else refreshes them, the old ones are good until the last minutes.
        margin = MANDATORY_REFRESH_SECONDS if self._refreshing else None
        if last is not None and not _ends_within(self._credentials, margin):
            return last
        return await self.run(self._from_chain)

    async def renewed(self, used: Identity) -> Identity | None:
        """Other credentials in place of those that the provider called expired, if any."""
        if self._static() is not None:
            return None
        found = await self.run(partial(self._from_chain, instead_of=used))
        return None if found == used else found

    async def signer(self) -> Signer:
        """botocore's signer, imported in the thread the first time."""
        if self._signer is None:
            self._signer = await self.run(signing.load)
        return self._signer

    async def run(self, work: Callable[[], T]) -> T:
        """Do ``work`` in the account's own thread, after whatever runs there.

        :raises UpstreamAuth: when it fails in botocore.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(_guarded, work))

    def _static(self) -> Identity | None:
        """What needs neither files nor network."""
        settings = self._settings
        if settings.api_key is not None:
            return Bearer(settings.api_key.reveal())
        keys = self._own_keys()
        if keys is not None and settings.role_arn is None:
            return keys
        if settings.profile is not None or settings.role_arn is not None:
            return None
        token = self._environ.get(BEARER_VARIABLE)
        return Bearer(token) if token else None

    def _own_keys(self) -> Keys | None:
        settings = self._settings
        if settings.access_key_id is None or settings.secret_access_key is None:
            return None
        token = settings.session_token
        return Keys(
            settings.access_key_id.reveal(),
            settings.secret_access_key.reveal(),
            None if token is None else token.reveal(),
        )

    def _uses_files(self) -> bool:
        return self._settings.profile is not None or self._static() is None

    def _configured(self, region: str | None, endpoint: str | None) -> tuple[Any, Any]:
        """Region and endpoint with what AWS's files say where nothing else does."""
        session = self._loaded()
        if region is None:
            region = session.get_config_variable("region")
        if endpoint is None and not session.get_config_variable("ignore_configured_endpoint_urls"):
            profile = session.get_scoped_config()
            services = session.full_config.get("services", {}).get(profile.get("services"), {})
            endpoint = services.get("bedrock_runtime", {}).get("endpoint_url")
            endpoint = endpoint or profile.get("endpoint_url")
        return region, endpoint

    def _from_chain(self, instead_of: Identity | None = None) -> Keys:
        """What the chain gives; after a failure the last ones, while they are any good."""
        last = None if instead_of is not None else self._last
        try:
            return self._asked(instead_of)
        except Exception as error:
            if last is None or _ends_within(self._credentials, LAST_SECONDS):
                raise
            if not isinstance(error, UpstreamError):  # nor is it one of the seconds after one
                log.warning("AWS credentials not refreshed yet: %s", type(error).__name__)
            return last

    def _asked(self, instead_of: Identity | None) -> Keys:
        if time.monotonic() < self._failed_at + FAILURE_SECONDS:
            raise UpstreamAuth(_NO_CREDENTIALS)
        self._refreshing = True
        try:
            if self._credentials is None or (instead_of is not None and instead_of == self._last):
                self._session = None
                self._credentials = self._resolved()
            found = self._credentials.get_frozen_credentials()
            self._last = Keys(found.access_key, found.secret_key, found.token)
        except Exception:
            self._failed_at = time.monotonic()
            raise
        finally:
            self._refreshing = False
        return self._last

    def _resolved(self) -> Any:
        """botocore's credentials for this account."""
        from botocore import credentials as aws  # noqa: PLC0415 - it takes long to import

        settings, session, keys = self._settings, self._loaded(), self._own_keys()
        if keys is None:
            source = session.get_credentials()
        else:
            source = aws.Credentials(keys.access_key, keys.secret_key, keys.token)
        if source is None:
            raise UpstreamAuth(_NO_CREDENTIALS)
        if settings.role_arn is None:
            return source
        more = {"RoleSessionName": settings.role_session_name}
        if settings.external_id is not None:
            more["ExternalId"] = settings.external_id.reveal()
        fetcher = aws.AssumeRoleCredentialFetcher(
            session.create_client, source, settings.role_arn, extra_args=more
        )
        return aws.DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    def _loaded(self) -> Any:
        if self._session is None:
            from botocore.session import Session  # noqa: PLC0415 - it takes long to import

            _hush()
            session = Session(profile=self._settings.profile)
            session.get_component("data_loader").file_loader = _data_files()
            region = location.region(self._settings, self._environ)
            if region is not None:
                # Also where STS is asked; botocore itself does not read AWS_REGION.
                session.set_config_variable("region", region)
            self._session = session
        return self._session


_NO_CREDENTIALS = "The gateway found no AWS credentials for this account."


def _ends_within(credentials: Any, seconds: int | None) -> bool:
    """Whether they have to be refreshed; ``None`` asks early, while the old ones still work."""
    needed = getattr(credentials, "refresh_needed", None)
    if needed is None:
        return False
    return bool(needed() if seconds is None else needed(seconds))


def _guarded(work: Callable[[], T]) -> T:
    try:
        return work()
    except UpstreamError:
        raise
    except Exception as error:
        # botocore's texts hold paths, addresses and sometimes what a server has answered.
        log.warning("no AWS credentials: %s", type(error).__name__)
        raise UpstreamAuth(
            "The gateway could not obtain AWS credentials for this account."
        ) from error


def _data_files() -> Any:
    """A reader of botocore's own data files that is quick about it.

    A client for STS needs its list of all endpoints, more than a megabyte of JSON. The parser
    that botocore uses takes 35 ms for it and lets no other thread run meanwhile, the event
    loop's neither.
    """
    from botocore.loaders import JSONFileLoader  # noqa: PLC0415 - it takes long to import

    class DataFiles(JSONFileLoader):  # type: ignore[misc]
        def load_file(self, file_path: str) -> Any:
            plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
            if plain.is_file():
                return msgspec.json.decode(plain.read_bytes())
            if packed.is_file():
                return msgspec.json.decode(gzip.decompress(packed.read_bytes()))
            return None

    return DataFiles()


def _hush() -> None:
    """Keep botocore's log to errors, unless somebody has set it otherwise.

    At DEBUG it writes down credentials, and at WARNING traces of what is reported here anyway.
    """
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
