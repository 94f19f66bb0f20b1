"""What an account says about itself, and the request fields that only Foundry's models have."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from retouch import BaseUrl, Secret

#: API versions that select the ``/openai/v1`` path; dated ones select deployments.
UNDATED_VERSIONS = frozenset({"v1", "preview"})
#: What the largest seed is that FLUX.2 takes.
MAX_SEED = 4_294_967_295

ApiVersion = Annotated[
    str,
    Meta(
        pattern=r"^(v1|preview|\d{4}-\d\d-\d\d(-preview)?)$",
        description="v1, preview or a dated version such as 2025-04-01-preview",
    ),
]
#: IMDS has one address in all of Azure; only tests have it on this machine.
ImdsUrl = Annotated[
    str,
    Meta(
        pattern=r"^http://(169\.254\.169\.254|127\.0\.0\.1(:\d+)?)$",
        description="http://169.254.169.254 (or http on 127.0.0.1)",
    ),
]
Identifier = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$", description="a GUID or a domain name"),
]
Scope = Annotated[
    str,
    Meta(
        pattern=r"^https://[^/?#\s@]+(/[^?#\s]*)?/\.default$",
        description="an https address that ends in /.default",
    ),
]


class Entra(msgspec.Struct, frozen=True, kw_only=True):
    """``[accounts.NAME.entra]``: tokens in place of a key.

    One of ``client_secret``, ``workload_identity`` and ``managed_identity`` says which kind.

    :param federated_token_file: of a workload identity; ``AZURE_FEDERATED_TOKEN_FILE`` if left
        out, as ``AZURE_TENANT_ID``, ``AZURE_CLIENT_ID`` and ``AZURE_AUTHORITY_HOST`` are.
    :param client_id: of a managed identity: the user-assigned one, else the machine's own.
    """

    tenant_id: Identifier | None = None
    client_id: Identifier | None = None
    client_secret: Secret | None = None
    workload_identity: bool = False
    federated_token_file: str | None = None
    managed_identity: bool = False
    scope: Scope = "https://ai.azure.com/.default"
    authority: BaseUrl | None = None
    imds_endpoint: ImdsUrl = "http://169.254.169.254"

    def __post_init__(self) -> None:
        kinds = (self.client_secret is not None, self.workload_identity, self.managed_identity)
        if sum(kinds) != 1:
            raise ValueError(
                "needs exactly one of `client_secret`, `workload_identity = true` and "
                "`managed_identity = true`"
            )
        if self.client_secret is not None and None in (self.tenant_id, self.client_id):
            raise ValueError("needs `tenant_id` and `client_id` beside `client_secret`")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``[accounts.NAME]`` with ``provider = "azure"``.

    :param endpoint: the resource's address, of any of its host names.
    """

    endpoint: BaseUrl
    api_key: Secret | None = None
    entra: Entra | None = None
    #: The only dated version that has image edits, the first and the last.
    api_version: ApiVersion = "2025-04-01-preview"

    def __post_init__(self) -> None:
        if (self.api_key is None) == (self.entra is None):
            raise ValueError("needs either `api_key` or a table `entra`")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that OpenAI does not have; each belongs to the families that ``families`` names."""

    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    guidance: Annotated[float, Meta(ge=1.5, le=10)] | None = None
    steps: Annotated[int, Meta(ge=1, le=50)] | None = None
    auto_aspect_ratio: bool | None = None
    web_grounding: bool | None = None

    def given(self) -> dict[str, object]:
        """The options that are set, by name."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not None}
