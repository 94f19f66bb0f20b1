"""The real program as users run it: ``retouch serve`` in a process of its own."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: The console script that the installation made beside this interpreter.
PROGRAM = Path(sys.executable).with_name("retouch")
READY = re.compile(r"^retouch ready on (http://127\.0\.0\.1:\d+)\s*$", re.MULTILINE)
START_SECONDS = 20
STOP_SECONDS = 10

#: What must never appear in anything the program prints: keys, and what people ask for.
UPSTREAM_KEY = "sk-canary-upstream-7f3a9c51d2e84b60"
CLIENT_KEY = "rt-canary-client-0b6d48e2f1a3957c"
PRIVATE_PROMPT = "canary prompt: 4f81 private words of a person"
CANARIES = (UPSTREAM_KEY, CLIENT_KEY, PRIVATE_PROMPT)
#: How the configuration of a test names the provider's key.
KEY_VARIABLE = "CANARY_OPENAI_KEY"

#: Accounts of the gateway that most tests share.
SHARED_CONFIG = """
[accounts.openai-main]
provider = "openai"
api_key = {{ env = "{key}" }}
base_url = "{upstream}"

[accounts.openai-wrong-key]
provider = "openai"
api_key = "sk-not-the-key-of-the-fake"
base_url = "{upstream}"

[accounts.openai-unreachable]
provider = "openai"
api_key = {{ env = "{key}" }}
base_url = "http://127.0.0.1:{closed_port}/v1"

[accounts.openai-closed]
provider = "openai"
api_key = {{ env = "{key}" }}
base_url = "{upstream}"
extra_fields = "refuse"

[accounts.openai-lenient]
provider = "openai"
api_key = {{ env = "{key}" }}
base_url = "{upstream}"
drop_params = true

[accounts.local]
provider = "local"
"""


class Gateway:
    """One running gateway.

    :param config: the TOML text of its configuration.
    :param folder: an empty folder for the configuration and what the program prints.
    :raises AssertionError: when it does not say within ``START_SECONDS`` that it is ready.
    """

    def __init__(self, config: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        path = folder / "retouch.toml"
        path.write_text(config)
        command = [str(PROGRAM), "serve", "--config", str(path), "--port", "0"]
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=_environment()
            )
        try:
            self.base_url = self._wait_until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    @property
    def v1(self) -> str:
        """What an OpenAI client takes as ``base_url``."""
        return f"{self.base_url}/v1"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for raw sockets."""
        host, port = self.base_url.removeprefix("http://").split(":")
        return host, int(port)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def stop(self) -> None:
        """End it as a service manager does, then look at what it printed."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"retouch did not stop in {STOP_SECONDS} s") from None
        self.check_output()

    def check_output(self) -> None:
        """Fail if it died, printed a traceback or let a secret out."""
        printed = self._stdout.read_text() + self._stderr.read_text()
        assert "Traceback" not in printed, f"the program printed a traceback:\n{printed[-6000:]}"
        for secret in CANARIES:
            encoded = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
            assert secret not in printed, "a secret is in the program's output"
            assert encoded not in printed, "a secret is in the program's output, as base64"

    def check_alive(self) -> None:
        """Fail if the process has ended by itself."""
        assert self._process.poll() is None, f"retouch ended: {self._stderr.read_text()[-2000:]}"

    def _wait_until_ready(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if ready := READY.search(self._stdout.read_text()):
                return ready[1]
            self.check_alive()
            time.sleep(0.02)
        printed = self._stdout.read_text() + self._stderr.read_text()
        raise AssertionError(f"retouch was not ready in {START_SECONDS} s: {printed[-2000:]}")


def openai_account(upstream_url: str, name: str = "openai-main", more: str = "") -> str:
    """The configuration of an account at the fake provider; ``more`` are further lines."""
    return (
        f'[accounts.{name}]\nprovider = "openai"\napi_key = {{ env = "{KEY_VARIABLE}" }}\n'
        f'base_url = "{upstream_url}"\n{more}\n'
    )


def _environment() -> dict[str, str]:
    """A user's environment, without credentials that the developer may have set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return {**kept, KEY_VARIABLE: UPSTREAM_KEY}


StartGateway = Callable[[str], Gateway]
