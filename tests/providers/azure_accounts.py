"""What the Azure tests share: the fake resource, and accounts at it in a running gateway."""

from __future__ import annotations

from tests.fakes.azure_identity import CLIENT, SECRET, TENANT
from tests.fakes.azure_upstream import AzureUpstream
from tests.fakes.gateway import KEY_VARIABLE


def account(upstream: AzureUpstream, name: str = "az", more: str = "") -> str:
    """An account with a key; ``more`` are further lines."""
    return (
        f'[accounts.{name}]\nprovider = "azure"\nendpoint = "{upstream.endpoint}"\n'
        f'api_key = {{ env = "{KEY_VARIABLE}" }}\n{more}\n'
    )


def with_tokens(upstream: AzureUpstream, kind: str, name: str = "entra") -> str:
    """An account with tokens; ``kind`` are the lines that say which."""
    return (
        f'[accounts.{name}]\nprovider = "azure"\nendpoint = "{upstream.endpoint}"\n'
        f'[accounts.{name}.entra]\nauthority = "{upstream.endpoint}"\n'
        f'imds_endpoint = "{upstream.endpoint}"\n{kind}\n'
    )


#: A service principal with a secret.
BY_SECRET = f'tenant_id = "{TENANT}"\nclient_id = "{CLIENT}"\nclient_secret = "{SECRET}"'
