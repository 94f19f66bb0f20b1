"""Where credentials come from, and that getting them disturbs nobody: real sockets throughout."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import retouch_bedrock
from retouch import Account, Base64, Blob, UpstreamAuth, UpstreamError, json_body
from retouch.config import LimitsConfig, secret_hook
from retouch.decoding import decode_struct
from retouch.types import UpstreamRequest, UpstreamResponse
from retouch.upstream.client import Client
from retouch_bedrock.settings import Settings
from retouch_bedrock.transport import Invocation
from tests.fakes.aws_credentials import (
    CONTAINER_TOKEN,
    ROLE,
    WEB_TOKEN,
    CredentialSources,
)
from tests.fakes.bedrock_accounts import ACCESS_KEY, API_KEY, SECRET_KEY, no_aws
from tests.fakes.bedrock_upstream import BedrockUpstream
from tests.fakes.pictures import picture

MODEL = "stability.stable-image-control-sketch-v1:0"
STATIC = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}


@pytest.fixture
def sources(bedrock: BedrockUpstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Fake STS, container and instance endpoints; the environment knows nothing else of AWS."""
    no_aws(monkeypatch)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    with CredentialSources(bedrock) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", bedrock.url)
        yield server
        server.released.set()
    assert not server.faults


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client(LimitsConfig(), "retouch-test")
    yield made
    await made.close()


def account(**settings: Any) -> Account:
    made = decode_struct(settings, Settings, dec_hook=secret_hook)
    assert not isinstance(made, list), made
    return Account(name="aws", provider="bedrock", settings=made)


async def send(client: Client, account: Account) -> UpstreamResponse:
    """One edit through the plugin's ``call``, as the pipeline makes it."""
    body = json_body({"prompt": "a barn", "image": Base64(Blob(picture(64, 64)))})
    request = UpstreamRequest(
        method="POST",
        url="/",
        headers={"Accept": "application/json", "Content-Type": "application/json"},
        body=body,
        context=Invocation(model=MODEL, profiled=True),
    )
    async with client.edit() as http:
        return await retouch_bedrock.call(request, account, http)


def files(folder: Path, patch: pytest.MonkeyPatch, config: str, credentials: str = "") -> None:
    for variable, name, text in (
        ("AWS_CONFIG_FILE", "config", config),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", credentials),
    ):
        (folder / name).write_text(text)
        patch.setenv(variable, str(folder / name))


KEYS_IN_FILE = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
#: Name, settings, variables, config file, credentials file, what is to hand out keys.
SOURCES: list[tuple[str, dict[str, str], dict[str, str], str, str, list[str]]] = [
    ("settings", STATIC, {}, "", "", []),
    (
        "environment",
        {},
        {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
        "",
        "",
        [],
    ),
    ("default profile", {}, {}, "", f"[default]\n{KEYS_IN_FILE}", []),
    ("named profile", {"profile": "team"}, {}, "", f"[team]\n{KEYS_IN_FILE}", []),
    ("role of keys", {**STATIC, "role_arn": ROLE, "external_id": "ours"}, {}, "", "", ["ours"]),
    (
        "role of a profile",
        {"profile": "team"},
        {},
        f"[profile team]\nrole_arn = {ROLE}\nsource_profile = base\n",
        f"[base]\n{KEYS_IN_FILE}",
        ["sts"],
    ),
    (
        "web identity",
        {},
        {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "{folder}/token"},
        "",
        "",
        ["web identity"],
    ),
    (
        "program",
        {"profile": "team"},
        {},
        "[profile team]\ncredential_process = cat {folder}/process.json\n",
        "",
        [],
    ),
    (
        "container",
        {},
        {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
        },
        "",
        "",
        ["container"],
    ),
    (
        "instance",
        {},
        {
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{url}",
            "AWS_EC2_METADATA_V1_DISABLED": "true",
        },
        "",
        "",
        ["instance"],
    ),
    ("bearer variable", {}, {"AWS_BEARER_TOKEN_BEDROCK": API_KEY}, "", "", []),
    ("bearer setting", {"api_key": API_KEY}, {}, "", "", []),
]


@pytest.mark.parametrize("case", SOURCES, ids=[case[0] for case in SOURCES])
async def test_every_source_signs(
    case: tuple[str, dict[str, str], dict[str, str], str, str, list[str]],
    sources: CredentialSources,
    bedrock: BedrockUpstream,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, settings, variables, config, credentials, issued = case
    process = {"Version": 1, "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY}
    (tmp_path / "process.json").write_text(json.dumps(process))
    (tmp_path / "token").write_text(WEB_TOKEN)
    files(tmp_path, monkeypatch, config.format(folder=tmp_path), credentials)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(folder=tmp_path, url=sources.url))
    own = account(**settings)
    for _ in range(3):
        response = await send(client, own)
        assert response.status == 200, response.body
    assert sources.issued == issued
    bearer = "bearer" in case[0]
    wanted = f"Bearer {API_KEY}" if bearer else "AWS4-HMAC-SHA256 Credential="
    for received in bedrock.requests:
        assert received.headers["authorization"].startswith(wanted)


@pytest.mark.parametrize(
    ("settings", "variables", "wanted"),
    [
        ({**STATIC, "api_key": API_KEY}, {}, "Bearer"),
        (STATIC, {"AWS_BEARER_TOKEN_BEDROCK": "another"}, "AWS4"),
        ({"profile": "team"}, {"AWS_BEARER_TOKEN_BEDROCK": "another"}, "AWS4"),
        ({}, {"AWS_BEARER_TOKEN_BEDROCK": API_KEY, "AWS_ACCESS_KEY_ID": "other"}, "Bearer"),
        ({"profile": "team"}, {"AWS_ACCESS_KEY_ID": "o", "AWS_SECRET_ACCESS_KEY": "x"}, "AWS4"),
    ],
)
async def test_who_comes_first(
    settings: dict[str, str],
    variables: dict[str, str],
    wanted: str,
    sources: CredentialSources,
    bedrock: BedrockUpstream,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files(tmp_path, monkeypatch, "", f"[team]\n{KEYS_IN_FILE}")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (await send(client, account(**settings))).status == 200
    assert bedrock.only().headers["authorization"].startswith(wanted)


@pytest.mark.usefixtures("sources")
async def test_region_and_endpoint_of_a_profile(
    bedrock: BedrockUpstream, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
    where = (
        f"services = fakes\n[services fakes]\nbedrock_runtime =\n  endpoint_url = {bedrock.url}\n"
    )
    config = f"[profile team]\nregion = us-east-2\n{where}"
    files(tmp_path, monkeypatch, config, f"[team]\n{KEYS_IN_FILE}")
    assert (await send(client, account(profile="team"))).status == 200
    received = bedrock.only()
    assert "/us-east-2/bedrock/aws4_request" in received.headers["authorization"]
    assert received.path.startswith("/model/us.stability")


@pytest.mark.usefixtures("sources")
async def test_no_credentials_and_no_region(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UpstreamAuth):
        await send(client, account())
    with pytest.raises(UpstreamAuth) as caught:
        await send(client, account(profile="no-such-profile"))
    assert "no-such-profile" not in caught.value.message
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(UpstreamError, match="region"):
        await send(client, account(**STATIC))


async def test_many_edits_ask_once(sources: CredentialSources, client: Client) -> None:
    own = account(**STATIC, role_arn=ROLE)
    answers = await asyncio.gather(*(send(client, own) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert sources.issued == ["sts"]


async def test_refreshing_is_never_done_twice_at_a_time(
    sources: CredentialSources, client: Client
) -> None:
    sources.lifetime = timedelta(minutes=5)
    own = account(**STATIC, role_arn=ROLE)
    answers = await asyncio.gather(*(send(client, own) for _ in range(6)))
    assert {answer.status for answer in answers} == {200}
    assert len(sources.issued) > 1
    assert sources.most_at_once == 1


async def test_old_keys_serve_while_new_ones_are_fetched(
    sources: CredentialSources, client: Client, bedrock: BedrockUpstream
) -> None:
    """Between 15 and 10 minutes before their end one edit waits for new keys, others do not."""
    sources.lifetime = timedelta(minutes=12)
    own = account(**STATIC, role_arn=ROLE)
    await send(client, own)
    sources.released.clear()
    waiting = asyncio.ensure_future(send(client, own))
    while len(sources.requests) < 2:  # noqa: ASYNC110 - it happens in another thread
        await asyncio.sleep(0.005)
    assert (await send(client, own)).status == 200
    assert not waiting.done()
    sources.released.set()
    assert (await waiting).status == 200
    used = [item.headers["x-amz-security-token"] for item in bedrock.requests]
    assert used == [
        "issued-session-token-1==",
        "issued-session-token-1==",
        "issued-session-token-2==",
    ]


async def test_the_loop_goes_on_while_credentials_are_fetched(
    sources: CredentialSources, client: Client
) -> None:
    """The source answers only after the loop has turned a hundred times meanwhile."""
    sources.released.clear()
    own = account(**STATIC, role_arn=ROLE)
    waiting = asyncio.ensure_future(send(client, own))
    while not sources.requests:  # noqa: ASYNC110 - it happens in another thread
        await asyncio.sleep(0.001)
    for _ in range(100):
        await asyncio.sleep(0)
    sources.released.set()
    assert (await waiting).status == 200


async def test_expired_credentials_are_replaced_once(
    sources: CredentialSources, client: Client, bedrock: BedrockUpstream
) -> None:
    own = account(**STATIC, role_arn=ROLE)
    await send(client, own)
    bedrock.expired.add("issued-session-token-1==")
    assert (await send(client, own)).status == 200
    assert [item.refused for item in bedrock.requests] == ["", "ExpiredTokenException", ""]
    assert len(sources.issued) == 2
    bedrock.expired |= {f"issued-session-token-{number}==" for number in range(2, 9)}
    assert (await send(client, own)).status == 403
    assert len(sources.issued) == 3


@pytest.mark.usefixtures("sources")
async def test_a_wrong_clock_is_told_to_the_operator(
    client: Client, bedrock: BedrockUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    bedrock.clock_offset = timedelta(hours=2)
    own = account(**STATIC)
    for _ in range(2):
        assert (await send(client, own)).status == 200
    told = [entry.message for entry in caplog.records if "clock" in entry.message]
    assert len(told) == 1
    assert "`aws`" in told[0]


@pytest.mark.usefixtures("sources")
async def test_the_chains_secrets_are_taken_out_of_messages(
    client: Client, bedrock: BedrockUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fakes.bedrock_upstream import aws_error

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    bedrock.script(aws_error(400, "ValidationException", f"{SECRET_KEY} {ACCESS_KEY}"))
    assert json.loads((await send(client, account())).body) == {"message": "*** ***"}


async def test_the_last_keys_serve_until_their_end(
    sources: CredentialSources, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken STS is no outage while there are keys that Bedrock still takes."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    sources.lifetime = timedelta(minutes=5)
    own = account(**STATIC, role_arn=ROLE)
    await send(client, own)
    sources.broken = True
    for _ in range(3):
        assert (await send(client, own)).status == 200
    assert len(sources.requests) == 2


async def test_keys_at_their_end_do_not_serve(
    sources: CredentialSources, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    sources.lifetime = timedelta(seconds=20)
    own = account(**STATIC, role_arn=ROLE)
    await send(client, own)
    sources.broken = True
    with pytest.raises(UpstreamAuth):
        await send(client, own)


async def test_a_source_that_fails_is_not_asked_at_every_edit(
    sources: CredentialSources, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    sources.broken = True
    own = account(**STATIC, role_arn=ROLE)
    for _ in range(3):
        with pytest.raises(UpstreamAuth):
            await send(client, own)
    assert len(sources.requests) == 1


def test_nothing_of_aws_is_imported_before_it_is_needed() -> None:
    code = "import retouch_bedrock, sys; print('botocore' in sys.modules, 'PIL' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.split() == [b"False", b"False"]
