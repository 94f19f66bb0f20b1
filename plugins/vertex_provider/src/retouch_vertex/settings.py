"""What an account of this provider is configured with, and where its models are."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from retouch import BaseUrl, GatewayError, Secret

Project = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9.:-]{0,127}$", description="a Google Cloud project id")
]
Location = Annotated[
    str,
    Meta(pattern=r"^[a-z][a-z0-9-]{0,63}$", description="a region, or global, us or eu"),
]
Email = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$", description="a service account's address"),
]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``[accounts.NAME]`` with ``provider = "vertex"``.

    Of several credentials the first counts: ``api_key``, ``access_token``, ``credentials``,
    and last Application Default Credentials.

    :param project: needed with everything but an API key; an API key alone is express mode.
    :param location: a region, ``global``, ``us`` or ``eu``.
    :param base_url: in place of Google's host for the location, for sovereign clouds.
    :param credentials: the JSON of a service account or of any ADC file.
    :param access_token: an OAuth token; nobody renews it.
    :param impersonate: a service account to act as; the other credentials ask for its tokens.
    :param quota_project: sent as ``x-goog-user-project``; the credentials may name one too.
    """

    project: Project | None = None
    location: Location = "global"
    base_url: BaseUrl | None = None
    api_key: Secret | None = None
    access_token: Secret | None = None
    credentials: Secret | None = None
    impersonate: Email | None = None
    quota_project: Project | None = None

    def __post_init__(self) -> None:
        if self.impersonate is not None and (self.api_key or self.access_token) is not None:
            raise ValueError(
                "`impersonate` needs `credentials` or Application Default Credentials: nobody "
                "else can be acted as with an `api_key` or an `access_token`"
            )

    @property
    def express(self) -> bool:
        """Whether requests name no project: an API key alone."""
        return self.project is None and self.api_key is not None


def host(location: str) -> str:
    """Google's address for a location; "global" and the multi-regions have one of their own."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def model_url(settings: Settings, model: str, method: str) -> str:
    """The address of a model's method, for example ``predict``.

    :raises GatewayError: for an account that has neither a project nor an API key.
    """
    base = (settings.base_url or host("global" if settings.express else settings.location)).rstrip(
        "/"
    )
    tail = f"publishers/google/models/{quote(model, safe='@')}:{method}"
    if settings.express:
        return f"{base}/v1/{tail}"
    if settings.project is None:
        raise GatewayError("This account has no `project` in its settings.", code="no_project")
    return f"{base}/v1/projects/{settings.project}/locations/{settings.location}/{tail}"
