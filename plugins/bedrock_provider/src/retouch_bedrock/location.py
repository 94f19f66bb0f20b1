"""Where Bedrock is for an account: its region, its endpoint, and the path of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import msgspec

from retouch import BaseUrl, UpstreamError
from retouch_bedrock.settings import Settings

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL")
#: Beginnings of region names whose hosts end in something else than ``amazonaws.com``.
_SUFFIXES = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
#: Where the ``us.`` profiles can be called; not the government's regions.
_US_PROFILE_REGION = re.compile(r"^us-(east|west)-[0-9]+$")
_REGION = re.compile(r"^[a-z0-9-]{4,40}$")
PROFILE = "us."


class Place(msgspec.Struct, frozen=True):
    """Where requests go; ``endpoint`` has no slash at its end."""

    region: str
    endpoint: str

    def url(self, model: str, *, profiled: bool) -> str:
        """The address of a model.

        :param profiled: whether its bare id can only be called through the ``us.`` profile,
            which is then put before it where there is one.
        """
        if profiled and _US_PROFILE_REGION.match(self.region):
            model = PROFILE + model
        return self.endpoint + path(model)


def path(model: str) -> str:
    """The path of a model's id, profile id or ARN; its colons and slashes are encoded.

    What is sent is what is signed: a client library that decodes ``%3A`` breaks the signature.
    """
    return f"/model/{quote(model, safe='')}/invoke"


def region(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """The region, as far as it can be known without AWS's files."""
    return settings.region or _first(environ, REGION_VARIABLES)


def endpoint(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """An endpoint that replaces the region's own, as far as known without AWS's files."""
    if settings.endpoint_url is not None:
        return settings.endpoint_url
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return _first(environ, ENDPOINT_VARIABLES)


def place(region: str | None, endpoint: str | None) -> Place:
    """The place of a region, or of an endpoint of one's own in it.

    :raises UpstreamError: without a region, and for one or an endpoint that cannot be used.
    """
    if region is None:
        raise UpstreamError(
            "The gateway's configuration names no AWS region for this account: it needs `region` "
            "or AWS_REGION.",
            code="region_missing",
        )
    if not _REGION.match(region):
        raise UpstreamError("The gateway's AWS region is not a region.", code="region_invalid")
    if endpoint is None:
        suffix = next((s for start, s in _SUFFIXES.items() if region.startswith(start)), None)
        endpoint = f"https://bedrock-runtime.{region}.{suffix or 'amazonaws.com'}"
    try:
        msgspec.convert(endpoint, BaseUrl)
    except msgspec.ValidationError:
        # From AWS's variables or files; the settings were checked at start.
        raise UpstreamError(
            "The gateway's AWS endpoint must be an https address, or http on 127.0.0.1.",
            code="endpoint_invalid",
        ) from None
    # The host is signed in lower case, and must be sent so.
    parts = urlsplit(endpoint)
    return Place(region, parts._replace(netloc=parts.netloc.lower()).geturl().rstrip("/"))


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)
