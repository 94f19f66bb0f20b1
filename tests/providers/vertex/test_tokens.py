"""Every way to get a token, through the running program, against fakes of Google's services."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.fakes.pictures import picture
from tests.fakes.replies import Answer, Gate
from tests.fakes.vertex_upstream import VertexUpstream
from tests.providers.vertex_accounts import account, serving, with_token

MODEL = "gemini-nano-banana-2.1"
PNG = picture()
EMAIL = "editor@fake-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
FROM_FILE = 'credentials = { file = "credentials.json" }'


@pytest.fixture(scope="module")
def server() -> Iterator[VertexUpstream]:
    with VertexUpstream() as running:
        yield running


@pytest.fixture
def google(server: VertexUpstream) -> Iterator[VertexUpstream]:
    server.reset()
    yield server
    assert not server.faults


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def service_account(google: VertexUpstream, key: rsa.RSAPrivateKey) -> dict[str, str]:
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "fake-project",
        "private_key_id": "key-1",
        "private_key": text.decode(),
        "client_email": EMAIL,
        "token_uri": f"{google.url}/token",
    }


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of the developer's own credentials, and no metadata server but a fake one."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "nothing"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


def edit(sdk: openai.OpenAI, name: str = "vx") -> Any:
    return sdk.images.edit(model=f"{name}/{MODEL}", image=PNG, prompt="x")


def written(folder: Path, credentials: Any) -> Path:
    """Credentials beside the configuration that ``serving`` will write."""
    folder.mkdir(exist_ok=True)
    (folder / "credentials.json").write_text(json.dumps(credentials))
    return folder


def bearer(google: VertexUpstream, number: int = 0) -> str:
    return google.requests[number].headers["authorization"].removeprefix("Bearer ")


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_service_account_signs_its_own_token(
    google: VertexUpstream,
    service_account: dict[str, str],
    key: rsa.RSAPrivateKey,
    tmp_path: Path,
) -> None:
    folder = written(tmp_path / "sa", {**service_account, "quota_project_id": "who-pays"})
    with serving(account(google, more=FROM_FILE), folder) as (_, sdk):
        edit(sdk)
        edit(sdk)
    assert not google.token_requests
    assert bearer(google, 0) == bearer(google, 1)
    header, claims, signature = bearer(google).split(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    signed = f"{header}.{claims}".encode()
    key.public_key().verify(raw, signed, padding.PKCS1v15(), hashes.SHA256())
    assert decoded(header)["kid"] == "key-1"
    said = decoded(claims)
    assert (said["iss"], said["sub"], said["scope"]) == (EMAIL, EMAIL, SCOPE)
    assert google.requests[0].headers["x-goog-user-project"] == "who-pays"


def test_a_refused_signature_is_exchanged_for_a_token(
    google: VertexUpstream, service_account: dict[str, str], tmp_path: Path
) -> None:
    google.accept_jwt = False
    folder = written(tmp_path / "sa", service_account)
    with serving(account(google, more=FROM_FILE), folder) as (_, sdk):
        edit(sdk)
        edit(sdk)
    assert len(google.token_requests) == 1
    assert b"jwt-bearer" in google.token_requests[0].body
    # Refused, sent once more with the token; the second edit starts with the token.
    assert [bearer(google, number)[:4] for number in range(3)] == ["eyJ0", "ya29", "ya29"]
    assert len(google.requests) == 3


def test_a_token_that_is_refused_twice_is_our_fault(
    google: VertexUpstream, service_account: dict[str, str], tmp_path: Path
) -> None:
    google.accept_jwt = False
    google.token_status = 400
    folder = written(tmp_path / "sa", service_account)
    with (
        serving(account(google, more=FROM_FILE), folder) as (_, sdk),
        pytest.raises(openai.InternalServerError) as caught,
    ):
        edit(sdk)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_auth")


def test_workload_identity_federation(google: VertexUpstream, tmp_path: Path) -> None:
    (tmp_path / "subject").write_text("canary-subject-token")
    credentials = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{google.url}/sts",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    with serving(account(google, more=FROM_FILE), written(tmp_path / "wif", credentials)) as (
        _,
        sdk,
    ):
        edit(sdk)
        minted = bearer(google)
        refusal = {"finishReason": "SAFETY", "finishMessage": f"Unsafe: Bearer {minted}."}
        google.script(Answer({"candidates": [refusal]}))
        with pytest.raises(openai.BadRequestError, match=r"Unsafe: Bearer \*\*\*\."):
            edit(sdk)
    asked = google.token_requests[0]
    assert asked.path == "/sts"
    assert b"canary-subject-token" in asked.body
    assert minted.startswith("ya29.minted-1")


def test_default_credentials_from_a_file(
    google: VertexUpstream,
    service_account: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = written(tmp_path / "adc", service_account)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "credentials.json"))
    with serving(account(google), folder) as (_, sdk):
        edit(sdk)
    assert decoded(bearer(google).split(".")[1])["iss"] == EMAIL


def test_the_metadata_server(
    google: VertexUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = google.url.removeprefix("http://")
    monkeypatch.delenv("NO_GCE_CHECK")
    monkeypatch.setenv("GCE_METADATA_HOST", host)
    monkeypatch.setenv("GCE_METADATA_IP", host)
    with serving(account(google), tmp_path / "gce") as (_, sdk):
        edit(sdk)
    assert "/service-accounts/default/token" in google.token_requests[0].path
    assert bearer(google).startswith("ya29.minted-1")


@pytest.mark.parametrize("credentials", [{"type": "nobody"}, [], {"type": "service_account"}])
def test_credentials_that_are_none(
    google: VertexUpstream, tmp_path: Path, credentials: Any
) -> None:
    folder = written(tmp_path / "none", credentials)
    with (
        serving(account(google, more=FROM_FILE), folder) as (_, sdk),
        pytest.raises(openai.InternalServerError) as caught,
    ):
        edit(sdk)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_auth")
    assert not google.requests


def test_no_token_service(
    google: VertexUpstream,
    service_account: dict[str, str],
    closed_port: int,
    tmp_path: Path,
) -> None:
    google.accept_jwt = False
    nowhere = {**service_account, "token_uri": f"http://127.0.0.1:{closed_port}/token"}
    with (
        serving(account(google, more=FROM_FILE), written(tmp_path / "sa", nowhere)) as (_, sdk),
        pytest.raises(openai.InternalServerError) as caught,
    ):
        edit(sdk)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_unreachable")
    assert caught.value.response.headers["x-should-retry"] == "true"


def test_one_refresh_for_all_and_nothing_waits_for_it(
    google: VertexUpstream, service_account: dict[str, str], tmp_path: Path
) -> None:
    """While the token service is silent other accounts edit, and one request is enough."""
    google.accept_jwt = False
    google.token_gate = Gate()
    folder = written(tmp_path / "gate", service_account)
    config = account(google, "slow", FROM_FILE) + with_token(google)
    with serving(config, folder) as (program, sdk), ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(edit, sdk, "slow") for _ in range(4)]
        google.wait_for_token_request()
        assert edit(sdk).data
        with pytest.raises(openai.APITimeoutError):
            edit(sdk.with_options(timeout=0.2), "slow")
        google.token_gate.open()
        assert all(future.result().data for future in waiting)
        program.check_alive()
    assert len(google.token_requests) == 1
