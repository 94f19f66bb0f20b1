"""What ``[accounts.NAME]`` may say with ``provider = "bedrock"``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from retouch import BaseUrl, Secret

#: It becomes part of a host name and of every signature.
Region = Annotated[
    str,
    Meta(
        pattern=r"^[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$",
        description="an AWS region such as us-west-2",
    ),
]
RoleArn = Annotated[
    str,
    Meta(
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\x21-\x7e]{1,512}$",
        description="a role's ARN, arn:aws:iam::ACCOUNT:role/NAME",
    ),
]
SessionName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_=,.@-]{2,64}$",
        description="2 to 64 letters, digits and _=,.@-",
    ),
]


class Guardrail(msgspec.Struct, frozen=True, kw_only=True):
    """A guardrail that Bedrock applies to every edit of the account.

    :param identifier: its id or ARN.
    :param version: a number, or ``DRAFT``.
    """

    identifier: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,2048}$", description="an id or ARN")]
    version: Annotated[str, Meta(pattern=r"^([0-9]{1,8}|DRAFT)$", description="a number or DRAFT")]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``[accounts.NAME]`` with ``provider = "bedrock"``.

    Who signs, first match: ``api_key``; keys, ``profile`` or ``role_arn``; the variable
    ``AWS_BEARER_TOKEN_BEDROCK``; AWS's own chain (environment, files, SSO, web identity,
    container, instance).

    :param region: else ``AWS_REGION``, ``AWS_DEFAULT_REGION``, the profile's; there is no default.
    :param endpoint_url: else AWS's own variables and profile keys, else the region's endpoint.
    :param api_key: a Bedrock API key, sent as a bearer token.
    :param profile: of the AWS configuration files.
    :param role_arn: assumed with the keys, the profile or the chain.
    """

    region: Region | None = None
    endpoint_url: BaseUrl | None = None
    api_key: Secret | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    profile: str | None = None
    role_arn: RoleArn | None = None
    role_session_name: SessionName = "retouch"
    external_id: Secret | None = None
    guardrail: Guardrail | None = None
    trace: Literal["ENABLED", "DISABLED", "ENABLED_FULL"] | None = None

    def __post_init__(self) -> None:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("needs `access_key_id` and `secret_access_key` together")
        if self.session_token is not None and self.access_key_id is None:
            raise ValueError("needs `access_key_id` and `secret_access_key` with `session_token`")
        if self.external_id is not None and self.role_arn is None:
            raise ValueError("needs `role_arn` with `external_id`")
