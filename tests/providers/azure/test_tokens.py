"""Tokens of Entra ID: every kind of identity, over real sockets, and what goes wrong with them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.fakes import azure_identity
from tests.fakes.azure_identity import ASSERTION, CLIENT, PROOF, SECRET, TENANT
from tests.fakes.azure_upstream import AzureUpstream
from tests.fakes.gateway import Gateway, StartGateway
from tests.fakes.pictures import picture
from tests.fakes.replies import Answer, Reset
from tests.providers.azure_accounts import BY_SECRET, account, with_tokens

ENTRA, IMDS, APP_SERVICE = azure_identity.PATHS
MODEL = "entra/gpt-image-2"
PNG = ("a.png", picture())


@pytest.fixture
def azure(server: AzureUpstream) -> Iterator[AzureUpstream]:
    server.reset()
    yield server
    assert not server.faults


def edit(gateway: Gateway, *, model: str = MODEL, retries: int = 0) -> openai.types.ImagesResponse:
    with openai.OpenAI(base_url=gateway.v1, api_key="unused", max_retries=retries) as sdk:
        return sdk.images.edit(model=model, prompt="x", image=PNG)


def failed(gateway: Gateway) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        edit(gateway)
    gateway.check_output()
    text = f"{caught.value.response.text} {caught.value.response.headers}"
    assert "canary" not in text, "a secret reached the client"
    return caught.value


def output(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("std*"))


def test_a_secret(azure: AzureUpstream, gateway: StartGateway, tmp_path: Path) -> None:
    running = gateway(with_tokens(azure, BY_SECRET))
    for _ in range(3):
        assert edit(running).data
    assert azure.identity.asked == [ENTRA], "one token serves many edits"
    [token] = azure.identity.tokens
    assert {item.headers["authorization"] for item in azure.requests} == {f"Bearer {token}"}
    assert all("api-key" not in item.headers for item in azure.requests)
    printed = output(tmp_path)
    assert SECRET not in printed
    assert token not in printed


def test_a_workload_identity(
    azure: AzureUpstream,
    gateway: StartGateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "assertion"
    file.write_text(ASSERTION + "\n")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"{azure.endpoint}/")
    config = with_tokens(azure, "workload_identity = true")
    running = gateway(config.replace(f'authority = "{azure.endpoint}"\n', ""))
    assert edit(running).data
    assert azure.identity.asked == [ENTRA]


def test_a_workload_identity_of_the_settings(
    azure: AzureUpstream, gateway: StartGateway, tmp_path: Path
) -> None:
    file = tmp_path / "assertion"
    file.write_text(ASSERTION)
    lines = f'tenant_id = "{TENANT}"\nclient_id = "{CLIENT}"\nworkload_identity = true\n'
    running = gateway(with_tokens(azure, f'{lines}federated_token_file = "{file}"'))
    assert edit(running).data


def test_a_workload_identity_without_its_file(
    azure: AzureUpstream, gateway: StartGateway, tmp_path: Path
) -> None:
    lines = f'tenant_id = "{TENANT}"\nclient_id = "{CLIENT}"\nworkload_identity = true\n'
    running = gateway(with_tokens(azure, f'{lines}federated_token_file = "/nowhere"'))
    error = failed(running)
    assert (error.status_code, error.code) == (502, "upstream_auth")
    assert "federated token file" in output(tmp_path)
    assert azure.requests == []


@pytest.mark.parametrize("client", ["", f'client_id = "{CLIENT}"'])
def test_a_managed_identity(azure: AzureUpstream, gateway: StartGateway, client: str) -> None:
    running = gateway(with_tokens(azure, f"managed_identity = true\n{client}"))
    assert edit(running).data
    assert edit(running).data
    assert azure.identity.asked == [IMDS]


def test_a_managed_identity_of_app_service(
    azure: AzureUpstream, gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{azure.endpoint}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", PROOF)
    running = gateway(with_tokens(azure, "managed_identity = true"))
    assert edit(running).data
    assert edit(running).data
    assert azure.identity.asked == [APP_SERVICE]


def test_imds_is_asked_again_while_it_starts(azure: AzureUpstream, gateway: StartGateway) -> None:
    running = gateway(with_tokens(azure, "managed_identity = true"))
    azure.identity.script = [Answer(status=404)]
    assert edit(running).data
    assert azure.identity.asked == [IMDS, IMDS]


def test_a_wrong_authority_is_asked_once(azure: AzureUpstream, gateway: StartGateway) -> None:
    running = gateway(with_tokens(azure, BY_SECRET))
    azure.identity.script = [Answer(status=404)]
    assert failed(running).code == "upstream_auth"
    assert azure.identity.asked == [ENTRA]


async def test_many_edits_ask_for_one_token(azure: AzureUpstream, gateway: StartGateway) -> None:
    running = gateway(with_tokens(azure, BY_SECRET))
    async with openai.AsyncOpenAI(base_url=running.v1, api_key="unused", max_retries=0) as sdk:
        edits = [sdk.images.edit(model=MODEL, prompt="x", image=PNG) for _ in range(12)]
        assert all(result.data for result in await asyncio.gather(*edits))
        azure.identity.revoke()
        edits = [sdk.images.edit(model=MODEL, prompt="x", image=PNG) for _ in range(12)]
        assert all(result.data for result in await asyncio.gather(*edits))
    assert azure.identity.asked == [ENTRA, ENTRA], (
        "one for all, and one for all once it was revoked"
    )


def test_a_refused_token_is_replaced_once(azure: AzureUpstream, gateway: StartGateway) -> None:
    running = gateway(with_tokens(azure, BY_SECRET))
    assert edit(running).data
    azure.identity.revoke()
    assert edit(running).data
    assert azure.identity.asked == [ENTRA, ENTRA]
    statuses = [None if item.refusal is None else item.refusal.status for item in azure.requests]
    assert statuses == [None, 401, None]
    assert azure.requests[1].parts == [], "the fake looks at the key first"
    assert azure.requests[2].files[0].data == PNG[1], "the second attempt sends the same bytes"


def test_a_token_that_is_never_good(azure: AzureUpstream, gateway: StartGateway) -> None:
    azure.identity.life = 0
    running = gateway(with_tokens(azure, BY_SECRET))
    error = failed(running)
    assert (error.status_code, error.code) == (502, "upstream_auth")
    assert error.response.headers["x-should-retry"] == "false"
    assert len(azure.requests) == 2, "one resend and no more"


def test_a_refused_token_is_sent_by_no_later_edit(
    azure: AzureUpstream, gateway: StartGateway
) -> None:
    running = gateway(with_tokens(azure, BY_SECRET))
    assert edit(running).data
    azure.identity.revoke()
    azure.identity.script = [Reset()]
    assert failed(running).code == "upstream_unreachable"
    assert edit(running).data
    statuses = [None if item.refusal is None else item.refusal.status for item in azure.requests]
    assert statuses == [None, 401, None]


def test_a_token_that_is_handed_out_again(azure: AzureUpstream, gateway: StartGateway) -> None:
    """IMDS keeps tokens for a day: what was refused a moment ago needs no second upload."""
    running = gateway(with_tokens(azure, "managed_identity = true"))
    assert edit(running).data
    [token] = azure.identity.tokens
    azure.identity.revoke()
    azure.identity.script = [Answer({"access_token": token, "expires_in": "3600"})]
    assert failed(running).code == "upstream_auth"
    assert azure.identity.asked == [IMDS, IMDS]
    assert len(azure.requests) == 2


def test_a_refused_key_is_not_sent_again(azure: AzureUpstream, gateway: StartGateway) -> None:
    config = account(azure).replace(
        'api_key = { env = "CANARY_OPENAI_KEY" }', 'api_key = "wrong-key"'
    )
    with pytest.raises(openai.InternalServerError) as caught:
        edit(gateway(config), model="az/gpt-image-2")
    assert caught.value.code == "upstream_auth"
    assert len(azure.requests) == 1


def test_a_wrong_secret(azure: AzureUpstream, gateway: StartGateway, tmp_path: Path) -> None:
    running = gateway(with_tokens(azure, BY_SECRET.replace(SECRET, "entra-canary-other")))
    error = failed(running)
    assert (error.status_code, error.code) == (502, "upstream_auth")
    assert azure.requests == []
    assert "HTTP 401 invalid_client AADSTS7000215" in output(tmp_path)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"access_token": "a\\r\\nx: y"}', b"[]"])
def test_an_answer_that_is_no_token(
    azure: AzureUpstream, gateway: StartGateway, body: bytes
) -> None:
    running = gateway(with_tokens(azure, BY_SECRET))
    azure.identity.script = [Answer(body=body)]
    error = failed(running)
    assert (error.status_code, error.code) == (502, "upstream_unreachable")
    assert error.response.headers["x-should-retry"] == "true"
    assert azure.requests == []
    assert edit(running).data, "the next edit asks again"


def test_a_token_service_that_breaks_off(azure: AzureUpstream, gateway: StartGateway) -> None:
    """Nothing was spent yet, so that the SDK may and does repeat the edit."""
    running = gateway(with_tokens(azure, BY_SECRET))
    azure.identity.script = [Reset()]
    assert edit(running, retries=1).data
    assert len(azure.requests) == 1


def test_an_unreachable_token_service(
    azure: AzureUpstream, gateway: StartGateway, closed_port: int
) -> None:
    config = with_tokens(azure, BY_SECRET)
    broken = config.replace(
        f'authority = "{azure.endpoint}"', f'authority = "http://127.0.0.1:{closed_port}"'
    )
    error = failed(gateway(broken))
    assert error.code == "upstream_unreachable"
    assert error.response.headers["x-should-retry"] == "true"
    assert azure.requests == []


def test_a_repeated_token_reaches_nobody(azure: AzureUpstream, gateway: StartGateway) -> None:
    running = gateway(with_tokens(azure, BY_SECRET))
    assert edit(running).data
    [token] = azure.identity.tokens
    for status, code in ((400, "InvalidPayload"), (200, "contentFilter")):
        document = {"error": {"code": code, "message": f"You sent {token}."}}
        azure.script(Answer(document, status))
        error = failed(running)
        assert error.code == code
        assert "You sent ***." in error.response.text
