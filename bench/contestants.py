"""Who is measured: how each proxy is started and where it takes an edit."""

from __future__ import annotations

import hashlib
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.workloads import ANSWERS, MODEL

HERE = Path(__file__).parent
PEERS = HERE / "peers"
CLIENT_KEY = "rt-benchmark-key"
UPSTREAM_KEY = "sk-upstream"

#: An account, its lines in the configuration; ``%s`` is the upstream's answer.
OPENAI = """
provider = "openai"
base_url = "{upstream}/%s/v1"
api_key = { env = "BENCH_UPSTREAM_KEY" }
"""
#: Signed requests, as with real keys. The form's size is none that this model takes.
BEDROCK = """
provider = "bedrock"
region = "us-west-2"
endpoint_url = "{upstream}/2m.bedrock"
access_key_id = { env = "BENCH_UPSTREAM_KEY" }
secret_access_key = { env = "BENCH_UPSTREAM_KEY" }
drop_params = true
"""
VERTEX = """
provider = "vertex"
project = "bench"
base_url = "{upstream}/2m.vertex"
access_token = { env = "BENCH_UPSTREAM_KEY" }
"""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy is started with.

    :param folder: a new folder of its own.
    :param upstream: the port of the upstream.
    :param accounts: retouch only: account name to its lines in the configuration, in which
        ``{upstream}`` is the upstream's address.
    """

    folder: Path
    port: int
    upstream: int
    workers: int = 1
    accounts: dict[str, str] = {}


class Contestant(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the tables.

    ``path``, ``model`` and ``headers`` may hold ``{answer}`` (which answer of the upstream)
    and ``{upstream}`` (its port).

    :param command: prepares the folder and returns the command line.
    :param ready: the path that answers 200 once edits are accepted.
    :param whole_table: whether it is measured in everything, or in CPU per edit only.
    """

    name: str
    command: Callable[[Setting], list[str | Path]]
    ready: str
    path: str = "/{answer}/v1/images/edits"
    model: str = MODEL
    headers: dict[str, str] = {}
    variables: dict[str, str] = {}
    start_seconds: float = 20.0
    whole_table: bool = True


def nginx_command(folder: Path, template: str, values: dict[str, object]) -> list[str | Path]:
    """nginx with everything it writes under ``folder``."""
    (folder / "temp").mkdir(parents=True)
    # Started by root, nginx would work as an account that may not enter the folder.
    values = {**values, "USER": f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""}
    text = (HERE / "nginx" / template).read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text, "utf-8")
    # -e: where it complains until it has read the configuration.
    return ["nginx", "-e", "stderr", "-p", folder, "-c", "nginx.conf"]


def _nginx(body: str) -> Callable[[Setting], list[str | Path]]:
    def command(setting: Setting) -> list[str | Path]:
        values = {"PORT": setting.port, "UPSTREAM": setting.upstream, "BODY": body}
        return nginx_command(setting.folder, "proxy.conf", values)

    return command


def _forwarder(setting: Setting) -> list[str | Path]:
    return [sys.executable, HERE / "forwarder.py", str(setting.port), str(setting.upstream)]


def _retouch(setting: Setting) -> list[str | Path]:
    accounts = setting.accounts or {f"out-{name}": OPENAI % name for name in ANSWERS}
    address = f"http://127.0.0.1:{setting.upstream}"
    tables = [
        f"[accounts.{name}]\n" + lines.replace("{upstream}", address)
        for name, lines in accounts.items()
    ]
    digest = hashlib.sha256(CLIENT_KEY.encode()).hexdigest()
    tables.append(f'[[keys]]\nname = "bench"\nsha256 = "{digest}"\n')
    config = setting.folder / "retouch.toml"
    config.write_text("\n".join(tables), "utf-8")
    program = Path(sys.executable).with_name("retouch")
    options = ["--port", str(setting.port), "--workers", str(setting.workers)]
    return [program, "serve", "--config", config, *options]


def _litellm(setting: Setting) -> list[str | Path]:
    models = [
        f"  - model_name: {name}/{MODEL}\n"
        f"    litellm_params:\n"
        f"      model: openai/{MODEL}\n"
        f"      api_base: http://127.0.0.1:{setting.upstream}/{name}/v1\n"
        f"      api_key: {UPSTREAM_KEY}\n"
        f"    model_info: {{mode: image_edit}}\n"
        for name in ANSWERS
    ]
    text = (HERE / "recipes" / "litellm.yaml").read_text("utf-8")
    text = text.replace("@KEY@", CLIENT_KEY)
    config = setting.folder / "litellm.yaml"
    config.write_text("model_list:\n" + "".join(models) + text, "utf-8")
    program = PEERS / "litellm" / "bin" / "litellm"
    where = ["--host", "127.0.0.1", "--port", str(setting.port)]
    return [program, "--config", config, *where, "--num_workers", "1", "--telemetry", "False"]


def _portkey(setting: Setting) -> list[str | Path]:
    program = PEERS / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    return ["node", program, f"--port={setting.port}", "--headless"]


_BEARER = {"Authorization": f"Bearer {CLIENT_KEY}"}

#: Bytes in, bytes out: the floor that CPU per edit is held against.
NGINX = Contestant(
    name="nginx",
    command=_nginx("proxy_request_buffering off; client_body_buffer_size 256k;"),
    ready="/healthz",
)
#: The same with the body read to its end first, as every gateway does that never forwards
#: half an upload; in memory, because nginx would put it into a file.
NGINX_BODY_FIRST = Contestant(
    name="nginx, body first",
    command=_nginx("client_body_buffer_size 128m;"),
    ready="/healthz",
    whole_table=False,
)
FORWARDER = Contestant(name="bare ASGI", command=_forwarder, ready="/healthz")
RETOUCH = Contestant(
    name="retouch",
    command=_retouch,
    ready="/healthz",
    path="/v1/images/edits",
    model="out-{answer}/" + MODEL,
    headers=_BEARER,
    variables={"BENCH_UPSTREAM_KEY": UPSTREAM_KEY},
)
LITELLM = Contestant(
    name="LiteLLM",
    command=_litellm,
    ready="/health/liveliness",
    path="/v1/images/edits",
    model="{answer}/" + MODEL,
    headers=_BEARER,
    # Off the network and quiet, as its own documentation sets up a production proxy.
    variables={
        "LITELLM_OFFLINE_MODE": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
        "LITELLM_LOG": "ERROR",
        "DISABLE_ADMIN_UI": "True",
        "NO_DOCS": "True",
    },
    start_seconds=120.0,
)
PORTKEY = Contestant(
    name="Portkey",
    command=_portkey,
    ready="/",
    path="/v1/images/edits",
    headers={
        **_BEARER,
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": "http://127.0.0.1:{upstream}/{answer}/v1",
    },
    variables={"NODE_ENV": "production"},
    start_seconds=60.0,
)
OWN = (NGINX, NGINX_BODY_FIRST, FORWARDER, RETOUCH)
WITH_PEERS = (*OWN, LITELLM, PORTKEY)
