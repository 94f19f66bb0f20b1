from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from retouch.config import parse
from retouch.server import _address, _listen
from tests.fakes.gateway import PROGRAM, StartGateway, openai_account
from tests.fakes.openai_upstream import OpenAIUpstream, read_edit
from tests.fakes.pictures import picture
from tests.fakes.replies import Answer

WAIT_SECONDS = 20


class Program:
    """``retouch serve`` with these arguments; ``url`` is set once it says that it is ready."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [str(PROGRAM), "serve", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        self.url = self.first_line.removeprefix("retouch ready on ").strip()
        self.http = httpx2.Client(verify=False, trust_env=False)

    def stop(self) -> tuple[int, str, str]:
        """End it as a service manager does: exit code, and what it printed since."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=WAIT_SECONDS)
        assert "Traceback" not in err, err
        return self.process.returncode, out, err


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[Program]:
    program = Program(*arguments)
    try:
        yield program
    finally:
        program.http.close()
        if program.process.poll() is None:
            program.process.kill()
            program.process.communicate()


def test_one_line_says_that_requests_are_accepted() -> None:
    with running("--port", 0) as program:
        assert program.first_line.startswith("retouch ready on http://127.0.0.1:")
        assert program.http.get(f"{program.url}/readyz").json() == {"status": "ready"}
        assert [
            model["id"] for model in program.http.get(f"{program.url}/v1/models").json()["data"]
        ] == [
            "local/inpaint",
            "local/ops",
        ]
        _, out, err = program.stop()
    assert out == ""
    assert [line[:8] for line in err.splitlines()] == ['{"time":'] * 2


def test_several_processes_share_a_port(tmp_path: Path) -> None:
    """They read the configuration themselves, whatever folder they run in."""
    file = tmp_path / "retouch.toml"
    file.write_text('[accounts.mine]\nprovider = "local"\n')
    with running("--config", file, "--port", 0, "--workers", 2) as program:
        assert program.url.startswith("http://127.0.0.1:")
        for _ in range(20):
            models = program.http.get(f"{program.url}/v1/models").json()["data"]
            assert {model["id"].split("/")[0] for model in models} == {"mine"}
        code, out, _ = program.stop()
        assert (code, out) == (0, "")
        with pytest.raises(httpx2.TransportError):
            program.http.get(f"{program.url}/readyz")


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [str(PROGRAM), "serve", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_stopping_lets_a_running_edit_finish(
    gateway: StartGateway, upstream: OpenAIUpstream
) -> None:
    """It is being paid for; only new connections are refused."""
    started = gateway(openai_account(upstream.base_url))
    document = {"created": 1, "data": [{"b64_json": "QUJD"}]}
    upstream.script(Answer(document, delay=0.5))
    results: list[openai.types.ImagesResponse] = []

    def edit() -> None:
        with openai.OpenAI(base_url=started.v1, api_key="x", max_retries=0) as sdk:
            results.append(
                sdk.images.edit(model="openai-main/gpt-image-2", image=picture(), prompt="x")
            )

    thread = threading.Thread(target=edit)
    thread.start()
    received = upstream.wait_for_request()
    assert read_edit(received)
    started.stop()
    thread.join(WAIT_SECONDS)
    assert [result.data[0].b64_json for result in results if result.data] == ["QUJD"]
    assert not received.left.is_set()


def test_it_listens_where_the_configuration_says() -> None:
    document = {"accounts": {"local": {"provider": "local"}}, "server": {"port": 0}}
    config = parse(document, {})
    with contextlib.closing(_listen(config)) as listener:
        port = listener.getsockname()[1]
        assert _address(config, listener) == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS):
            pass


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python was built without IPv6")
def test_addresses_of_ipv6_stand_in_brackets() -> None:
    config = parse({"accounts": {"local": {"provider": "local"}}, "server": {"host": "::1"}}, {})
    with socket.socket(socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback address")
        assert _address(config, listener) == f"http://[::1]:{listener.getsockname()[1]}"
