"""Gateway keys: who may come in, decided before a byte of the body is read."""

from __future__ import annotations

import hashlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.fakes.gateway import CLIENT_KEY, PROGRAM, Gateway, openai_account
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.openai_upstream import OpenAIUpstream
from tests.fakes.pictures import picture
from tests.fakes.raw_http import exchange, head, post, read_reply

MODEL = "openai-main/gpt-image-2"
GOOD: dict[str, Any] = {"model": MODEL, "prompt": "x", "image": picture()}
LOCAL_ONLY_KEY = "rt-canary-of-a-team-that-may-only-use-local"
EDITS = "/v1/images/edits"


def key_block(name: str, key: str, more: str = "") -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\n{more}\n'


@pytest.fixture(scope="module")
def locked_process(
    upstream_server: OpenAIUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    config = (
        openai_account(upstream_server.base_url)
        + '[accounts.local]\nprovider = "local"\n'
        + key_block("team-a", CLIENT_KEY)
        + key_block("team-b", LOCAL_ONLY_KEY, 'accounts = ["local"]')
    )
    running = Gateway(config, tmp_path_factory.mktemp("locked-gateway"))
    yield running
    running.stop()


@pytest.fixture
def locked(locked_process: Gateway, upstream: OpenAIUpstream) -> Iterator[Gateway]:
    """A gateway with two keys: one for everything, one for the ``local`` account."""
    yield locked_process
    locked_process.check_alive()
    locked_process.check_output()


def sdk(gateway: Gateway, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.v1, api_key=key)


def test_the_right_key(locked: Gateway, upstream: OpenAIUpstream) -> None:
    with sdk(locked, CLIENT_KEY) as client:
        assert client.images.edit(**GOOD).data
    received = upstream.only()
    assert CLIENT_KEY not in " ".join(received.headers.values())
    assert CLIENT_KEY.encode() not in received.body


def test_the_right_key_of_an_azure_client(locked: Gateway, upstream: OpenAIUpstream) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=locked.base_url, api_key=CLIENT_KEY, api_version="2025-04-01-preview"
    ) as client:
        assert client.images.edit(**GOOD).data
    assert "api-key" not in upstream.only().headers


WRONG_KEYS = [
    "sk-wrong",
    CLIENT_KEY + "x",
    CLIENT_KEY[:-1],
    CLIENT_KEY.upper(),
    hashlib.sha256(CLIENT_KEY.encode()).hexdigest(),
    "team-a",
    "' OR 1=1 --",
    "x" * 7000,
]


@pytest.mark.parametrize("key", WRONG_KEYS, ids=range(len(WRONG_KEYS)))
def test_a_wrong_key(locked: Gateway, upstream: OpenAIUpstream, key: str) -> None:
    with sdk(locked, key) as client, pytest.raises(openai.AuthenticationError) as caught:
        client.images.edit(**GOOD)
    failure = caught.value
    assert (failure.code, failure.type, failure.param) == (
        "invalid_api_key",
        "invalid_request_error",
        None,
    )
    assert key not in failure.response.text
    assert upstream.requests == []


AUTHORIZATIONS = [None, "", "Bearer", "Bearer ", f"Basic {CLIENT_KEY}", CLIENT_KEY, "Bearer \xff"]


@pytest.mark.parametrize("value", AUTHORIZATIONS)
@pytest.mark.parametrize("target", [EDITS, "/images/edits", "/v3/images/edits"])
def test_a_missing_key(
    locked: Gateway, upstream: OpenAIUpstream, value: str | None, target: str
) -> None:
    body, content_type = encode(
        text("model", MODEL), text("prompt", "x"), file("image", GOOD["image"])
    )
    headers = {} if value is None else {"Authorization": value}
    answer = post(locked.address, body, content_type, target=target, **headers)
    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"
    assert upstream.requests == []


@pytest.mark.parametrize(
    "framing", [("Content-Length", "800000000"), ("Transfer-Encoding", "chunked")]
)
def test_refused_before_the_body_is_read(locked: Gateway, framing: tuple[str, str]) -> None:
    """No byte of the body is ever sent, and the answer comes all the same."""
    sent = head(EDITS, {"Content-Type": "multipart/form-data; boundary=a", framing[0]: framing[1]})
    with socket.create_connection(locked.address, timeout=10) as connection:
        connection.sendall(sent)
        assert read_reply(connection).status == 401


def test_wrong_key_and_wrong_everything_is_still_401(locked: Gateway) -> None:
    assert post(locked.address, b"hello", "text/plain").status == 401
    assert post(locked.address, b"hello", "application/json").status == 401


def test_a_key_for_other_accounts(locked: Gateway, upstream: OpenAIUpstream) -> None:
    with sdk(locked, LOCAL_ONLY_KEY) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.images.edit(**GOOD)
        assert caught.value.status_code in (403, 404)
        assert upstream.requests == []
        assert {model.id.split("/")[0] for model in client.models.list()} == {"local"}


def test_models_need_a_key_and_health_does_not(locked: Gateway) -> None:
    def status(target: str) -> int:
        return exchange(locked.address, head(target, {}, method="GET")).status

    assert [status(target) for target in ("/v1/models", "/v1/images/models")] == [401, 401]
    assert [status(target) for target in ("/healthz", "/readyz")] == [200, 200]


def test_keys_new_makes_a_key_that_opens(gateway: Any, upstream: OpenAIUpstream) -> None:
    made = subprocess.run(
        [PROGRAM, "keys", "new", "team-c"], capture_output=True, text=True, check=True, timeout=30
    )
    block = made.stdout[made.stdout.index("[[keys]]") :]
    (key,) = (word for word in made.stdout.split() if word.startswith("rt-"))
    assert key not in block
    running = gateway(openai_account(upstream.base_url) + block)
    with sdk(running, key) as client:
        assert client.images.edit(**GOOD).data
    with sdk(running, key[:-1]) as client, pytest.raises(openai.AuthenticationError):
        client.images.edit(**GOOD)


def test_an_open_door_to_the_network_refuses_to_start(tmp_path: Path) -> None:
    path = tmp_path / "retouch.toml"
    path.write_text('[accounts.local]\nprovider = "local"\n')
    command = [str(PROGRAM), "serve", "--config", str(path), "--host", "0.0.0.0", "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode != 0
    assert "ready" not in ended.stdout
    assert "key" in ended.stderr
    assert "Traceback" not in ended.stderr
