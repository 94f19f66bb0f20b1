"""google-auth at work: what it is made from, and that it stays out of everybody's way."""

from __future__ import annotations

import http.server
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import google.auth
import google.auth.credentials
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from retouch import Secret, UpstreamAuth, UpstreamUnreachable
from retouch_vertex.settings import Settings
from retouch_vertex.tokens import Source, Tokens

EMAIL = "editor@source.iam.gserviceaccount.com"


def service_account(key: rsa.RSAPrivateKey) -> str:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "private_key_id": "k",
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "token_uri": "http://127.0.0.1:9/token",
        }
    )


@pytest.fixture(scope="module")
def credentials() -> str:
    return service_account(rsa.generate_private_key(public_exponent=65537, key_size=2048))


async def test_the_first_token_stalls_nobody(
    credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the thread of the loop, and not by a key's check, which stops every thread for 80 ms.

    google-auth itself asks for that check.
    """
    read_in, checked = [], []
    load = serialization.load_pem_private_key

    def recorded(*args: Any, **options: Any) -> Any:
        read_in.append(threading.current_thread())
        checked.append(not options.get("unsafe_skip_rsa_key_validation"))
        return load(*args, **options)

    monkeypatch.setattr(serialization, "load_pem_private_key", recorded)
    source = Source(Settings(project="p", credentials=Secret(credentials)), "stall")
    assert (await Tokens(source.obtain).get()).token
    assert read_in not in ([], [threading.current_thread()])
    assert checked == [False]


def test_impersonation(credentials: str) -> None:
    settings = Settings(
        project="p", credentials=Secret(credentials), impersonate="other@p.iam.gserviceaccount.com"
    )
    made = Source(settings, "a")._load(None)  # type: ignore[arg-type]
    assert made.service_account_email == "other@p.iam.gserviceaccount.com"
    assert made._source_credentials.service_account_email == EMAIL


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "5",
        "{}",
        '{"type": "service_account"}',
        '{"type": "service_account", "private_key": "no key", "client_email": "a"}',
        '{"type": "authorized_user", "client_id": "x"}',
        '{"type": "external_account"}',
    ],
)
def test_what_are_no_credentials(text: str, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(project="p", credentials=Secret(text))
    with pytest.raises(UpstreamAuth):
        Source(settings, "house").obtain(False)
    assert "account house" in caplog.text
    assert "no key" not in caplog.text


ECHOES: dict[str, Callable[[str], str]] = {
    "text": lambda sent: f"no such thing: {sent}",
    "document": lambda sent: json.dumps({"message": sent}),
    "description": lambda sent: json.dumps({"error": "no", "error_description": sent}),
}


@pytest.fixture
def echo() -> Iterator[tuple[str, list[str]]]:
    """A token service that refuses with what it was sent, as its path says; and all of that."""
    received: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"])).decode()
            received.append(sent)
            self.send_response(400)
            self.end_headers()
            self.wfile.write(ECHOES[self.path[1:]](sent).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ECHOES)
def test_what_a_token_service_repeats_is_not_logged(
    credentials: str,
    echo: tuple[str, list[str]],
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url, received = echo
    document = {**json.loads(credentials), "token_uri": f"{url}/{kind}"}
    source = Source(Settings(project="p", credentials=Secret(json.dumps(document))), "house")
    source.obtain(False)
    with pytest.raises(UpstreamAuth):
        source.obtain(True)
    assertion = received[0].split("assertion=")[1].split("&")[0]
    assert assertion.count(".") == 2
    assert "account house: no token: RefreshError: " in caplog.text
    assert not any(part[:20] in caplog.text for part in assertion.split("."))


def test_why_there_is_no_connection_is_logged(
    credentials: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(Settings(project="p", credentials=Secret(credentials)), "house")
    source.obtain(False)
    with pytest.raises(UpstreamUnreachable):
        source.obtain(True)
    assert "Connection refused" in caplog.text


def test_other_threads_keep_their_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """While google-auth looks for credentials, which may take long, nobody else is silenced."""
    seen: list[Any] = []

    def default(request: object) -> tuple[Any, None]:
        seen.extend(warnings.filters)
        return google.auth.credentials.AnonymousCredentials(), None  # type: ignore[no-untyped-call]

    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setattr(google.auth, "default", default)
    with pytest.raises(UpstreamAuth):
        Source(Settings(project="p"), "house").obtain(False)
    everything = ("ignore", None, Warning, None, 0)
    assert seen
    assert everything not in seen


def test_a_sovereign_cloud_always_signs_itself(credentials: str) -> None:
    document = {**json.loads(credentials), "universe_domain": "s3nsapis.fr"}
    source = Source(Settings(project="p", credentials=Secret(json.dumps(document))), "a")
    assert source.obtain(False).token.startswith("eyJ")
    with pytest.raises(UpstreamAuth):
        source.obtain(True)
