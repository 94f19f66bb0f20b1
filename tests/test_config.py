from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from retouch.config import (
    Config,
    ConfigError,
    LimitsConfig,
    ServerConfig,
    load,
    parse,
    plain_secrets,
    secret_hook,
    with_server,
)
from retouch.types import Secret

HASH = "0123456789abcdef" * 4
ACCOUNT = '[accounts.a]\nprovider = "studio"\n'
KEY = f'[[keys]]\nname = "team-a"\nsha256 = "{HASH}"\n'


def read(text: str, environ: Mapping[str, str] | None = None, folder: Path = Path()) -> Config:
    return parse(tomllib.loads(text), environ or {}, folder)


def faults(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as wrong:
        read(text, environ)
    assert str(wrong.value) == "\n".join(map(str, wrong.value.faults))
    return [str(fault) for fault in wrong.value.faults]


def paths(text: str) -> list[str]:
    return [fault.partition(": ")[0] for fault in faults(text)]


def test_without_a_file() -> None:
    """``local`` on the loopback address: what ``retouch serve`` runs on a fresh machine."""
    config = load(None)
    assert (config.server.host, config.server.port, config.server.workers) == ("127.0.0.1", 8080, 1)
    assert [(a.name, a.common.provider) for a in config.accounts.values()] == [("local", "local")]
    assert config.keys == ()


def test_the_whole_file() -> None:
    config = read(
        f"""
        [server]
        host = "0.0.0.0"
        port = 0
        workers = 4
        [limits]
        max_body_bytes = 1024
        total_timeout = 60
        heartbeat = 0.5
        fan_out = 10
        [plugins]
        enabled = ["openai"]
        [accounts.openai-main]
        provider = "openai"
        api_key = "sk"
        drop_params = true
        extra_fields = "refuse"
        [accounts.openai-main.models.pretty]
        id = "gpt-image-2"
        [accounts.b_2]
        provider = "local"
        {KEY}
        accounts = ["b_2"]
        """
    )
    assert config.server == ServerConfig(host="0.0.0.0", port=0, workers=4)
    assert config.limits == LimitsConfig(
        max_body_bytes=1024, total_timeout=60.0, heartbeat=0.5, fan_out=10
    )
    assert config.plugins.enabled == ("openai",)
    account = config.accounts["openai-main"]
    assert account.common.drop_params
    assert account.common.extra_fields == "refuse"
    assert account.common.models == {"pretty": {"id": "gpt-image-2"}}
    assert account.settings == {"api_key": "sk"}
    assert (config.keys[0].name, config.keys[0].accounts) == ("team-a", ("b_2",))


def test_the_default_deadline_lies_below_the_sdks_own() -> None:
    """The OpenAI SDKs give up after 600 s and send the edit again, to be paid twice."""
    limits = LimitsConfig()
    assert limits.read_timeout <= limits.total_timeout < 600


def test_the_default_body_holds_sixteen_of_the_largest_pictures() -> None:
    assert LimitsConfig().max_body_bytes >= 16 * 50 * 1024 * 1024 + 2 * 4 * 1024 * 1024


WRONG = """
[server]
host = "0.0.0.0"
prot = 1
port = 65536
workers = 0
[limits]
total_timeout = 0
fan_out = "four"
[plugins]
enabled = "openai"
[accountz.x]
provider = "x"
[accounts.no-provider]
drop_params = "yes"
[accounts.secret]
provider = "studio"
api_key = { env = "UNSET" }
nested = [{ file = "/nonexistent/secret" }]
extra_fields = "maybe"
[accounts."with space"]
provider = "studio"
[[keys]]
name = "a b"
sha256 = "beef"
[[keys]]
name = "ok"
accounts = ["nobody"]
"""


def test_every_fault_is_named_at_once_with_its_path() -> None:
    assert set(faults(WRONG)) == {
        "server.prot: unknown key; did you mean `port`?",
        "server.port: must be a whole number from 0 to 65535",
        "server.workers: must be a whole number from 1 to 256",
        "limits.total_timeout: must be a number above 0 and at most 3600",
        "limits.fan_out: must be a whole number from 1 to 10",
        "plugins.enabled: must be a list, each item text",
        "accountz: unknown section; did you mean `accounts`?",
        "accounts.no-provider.provider: is missing",
        "accounts.no-provider.drop_params: must be true or false",
        "accounts.secret.api_key: the environment variable UNSET is not set",
        "accounts.secret.nested[0]: the file /nonexistent/secret cannot be read",
        "accounts.secret.extra_fields: must be one of forward, refuse",
        "accounts.with space: must be a name of at most 64 letters, digits, dots, dashes and "
        "underscores",
        "keys[0].name: must be a name of at most 64 letters, digits, dots, dashes and underscores",
        "keys[0].sha256: must be 64 hexadecimal digits in lower case",
        "keys[1].sha256: is missing",
    }


def test_faults_between_sections_are_named_together_with_those_within() -> None:
    """A key of ``[server]`` is misspelt *and* others can reach it without a key."""
    assert paths("[server]\nprot = 1\n[limits]\nfan_out = 99\n[accounts]") == [
        "server.prot",
        "limits.fan_out",
        "accounts",
    ]
    assert paths(f'[server]\nhost = "0.0.0.0"\nprot = 1\n{ACCOUNT}') == [
        "server.prot",
        "server.host",
    ]
    assert paths(f'[server]\nhost = "0.0.0.0"\n[limits]\nfan_out = 0\n{ACCOUNT}') == [
        "limits.fan_out",
        "server.host",
    ]


def test_a_fault_makes_no_other_faults() -> None:
    """An account or a key with a fault of its own still exists."""
    text = f'[server]\nhost = "0.0.0.0"\n[accounts.a]\n{KEY}accounts = ["a"]\n'
    assert paths(text) == ["accounts.a.provider"]
    assert paths('[server]\nhost = "0.0.0.0"\n[[keys]]\nname = "k"\n' + ACCOUNT) == [
        "keys[0].sha256"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["accounts"]),
        ("[accounts]", ["accounts"]),
        ("accounts = 5", ["accounts"]),
        ("[[accounts]]\nprovider = 'x'", ["accounts"]),
        (ACCOUNT + "[server]\n[serverr]", ["serverr"]),
        ("server = 5\n" + ACCOUNT, ["server"]),
        ("keys = 5\n" + ACCOUNT, ["keys"]),
        (ACCOUNT + "[keys]\nname = 'x'", ["keys"]),
        ("[accounts]\na = 5", ["accounts.a", "accounts.a.provider"]),
        (ACCOUNT + "provider_ = 1\n", None),
        (ACCOUNT + "models = 5", ["accounts.a.models"]),
        (ACCOUNT + "models.x = 5", ["accounts.a.models"]),
        ('[accounts.""]\nprovider = "x"', ["accounts."]),
        ('[accounts."a/b"]\nprovider = "x"', ["accounts.a/b"]),
        ('[accounts.-a]\nprovider = "x"', ["accounts.-a"]),
        ('[accounts."é"]\nprovider = "x"', ["accounts.é"]),
        (f'[accounts.{"a" * 65}]\nprovider = "x"', ["accounts." + "a" * 65]),
        (ACCOUNT + KEY + KEY, ["keys", "keys"]),
        (ACCOUNT + KEY + KEY.replace("team-a", "team-b"), ["keys"]),
        (ACCOUNT + KEY + 'accounts = ["b"]', ["keys.team-a.accounts"]),
        (ACCOUNT + KEY + 'account = ["a"]', ["keys[0].account"]),
        (ACCOUNT + KEY.replace(HASH, HASH.upper()), ["keys[0].sha256"]),
        (ACCOUNT + KEY.replace(HASH, HASH[:-1]), ["keys[0].sha256"]),
        (ACCOUNT + KEY.replace(HASH, HASH + "0"), ["keys[0].sha256"]),
    ],
)
def test_faults(text: str, expected: list[str] | None) -> None:
    """``None``: what only the provider can judge."""
    if expected is None:
        assert read(text).accounts["a"].settings
    else:
        assert paths(text) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_only_this_machine_needs_no_key(host: str) -> None:
    assert read(f'[server]\nhost = "{host}"\n{ACCOUNT}').server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.1", "gateway.test", "127.1"])
def test_a_host_that_others_can_reach_needs_a_key(host: str) -> None:
    text = f'[server]\nhost = "{host}"\n{ACCOUNT}'
    (fault,) = faults(text)
    assert fault.startswith("server.host: ")
    assert "retouch keys new" in fault
    assert read(text + KEY).server.host == host


def test_the_command_line_comes_on_top() -> None:
    config = read(ACCOUNT + "[server]\nport = 1\nworkers = 2\n")
    assert with_server(config, None, None, None) == config
    assert with_server(config, "::1", 0, 3).server == ServerConfig(host="::1", port=0, workers=3)


@pytest.mark.parametrize(
    ("host", "port", "workers", "path"),
    [
        ("0.0.0.0", None, None, "server.host"),
        (None, 65_536, None, "--port"),
        (None, -1, None, "--port"),
        (None, None, 0, "--workers"),
    ],
)
def test_the_command_line_obeys_the_same_rules(
    host: str | None, port: int | None, workers: int | None, path: str
) -> None:
    with pytest.raises(ConfigError) as wrong:
        with_server(read(ACCOUNT), host, port, workers)
    assert [fault.path for fault in wrong.value.faults] == [path]
    if host is not None:
        assert with_server(read(ACCOUNT + KEY), host, port, workers).server.host == host


# --- secrets -----------------------------------------------------------------------------


def test_secrets_by_reference(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    config = read(
        ACCOUNT
        + 'one = { env = "ONE" }\ntwo = { file = "key" }\n'
        + f'three = {{ file = "{tmp_path}/key" }}\n'
        + '[accounts.a.deep]\nfour = [{ env = "ONE" }]\n',
        {"ONE": "from-environment"},
        tmp_path,
    )
    assert config.accounts["a"].settings == {
        "one": "from-environment",
        "two": "from-file",
        "three": "from-file",
        "deep": {"four": ["from-environment"]},
    }


def test_relative_files_lie_beside_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "key").write_text("k")
    (folder / "retouch.toml").write_text(ACCOUNT + 'api_key = { file = "key" }\n')
    assert load(folder / "retouch.toml").accounts["a"].settings == {"api_key": "k"}


def test_secrets_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    text = ACCOUNT + "".join(
        f"{name} = {{ {kind} = '{value}' }}\n"
        for name, kind, value in (
            ("a", "env", "UNSET"),
            ("b", "env", "BLANK"),
            ("c", "file", tmp_path / "missing"),
            ("d", "file", tmp_path / "empty"),
            ("e", "file", tmp_path / "binary"),
            ("f", "file", tmp_path),
        )
    )
    found = faults(text, {"BLANK": ""})
    assert [fault.split(":")[0] for fault in found] == [f"accounts.a.{name}" for name in "abcdef"]


def test_tables_that_only_look_like_references_are_tables() -> None:
    text = ACCOUNT + 'x = { env = "A", file = "b" }\ny = { env = 5 }\nz = { url = "c" }\n'
    assert read(text, {"A": "secret"}).accounts["a"].settings == {
        "x": {"env": "A", "file": "b"},
        "y": {"env": 5},
        "z": {"url": "c"},
    }


class Settings(msgspec.Struct, kw_only=True):
    api_key: Secret
    other: Secret | None = None
    region: str = ""


def test_secrets_in_plain_text_are_warned_about() -> None:
    text = ACCOUNT + 'api_key = "plain"\nother = { env = "ONE" }\nregion = "x"\n'
    text += '[accounts.b]\nprovider = "unknown"\napi_key = "plain"\n'
    config = read(text, {"ONE": "1"})
    assert plain_secrets(config, {"studio": Settings}) == ["accounts.a.api_key"]


def test_a_secret_is_made_of_text_only() -> None:
    assert secret_hook(Secret, "abc") == Secret("abc")
    for value in (5, None, ["abc"], {"value": "abc"}):
        with pytest.raises(ValueError, match="text"):
            secret_hook(Secret, value)
    with pytest.raises(NotImplementedError):
        secret_hook(int, "abc")


def test_no_fault_repeats_a_secret() -> None:
    text = ACCOUNT + 'api_key = "hidden-1"\n[accounts.b]\napi_key = "hidden-2"\n' + KEY
    assert not any("hidden" in fault for fault in faults(text))


# --- files -------------------------------------------------------------------------------


def one_fault(path: Path) -> str:
    with pytest.raises(ConfigError) as wrong:
        load(path)
    (fault,) = wrong.value.faults
    return str(fault)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "retouch.toml"
    assert "cannot be read" in one_fault(path)
    assert "cannot be read" in one_fault(tmp_path)
    path.write_bytes(b"\xff\xfe")
    assert "cannot be read" in one_fault(path)
    path.write_text("[server\n")
    assert "is not TOML" in one_fault(path)
    path.write_text(ACCOUNT + ACCOUNT)
    assert "is not TOML" in one_fault(path)


def test_values_of_any_toml_type_are_judged() -> None:
    values: dict[str, Any] = {
        "a date": "2026-11-21",
        "a time": "07:32:00",
        "infinity": "inf",
        "nan": "nan",
        "a list": "[1]",
        "a table": "{ a = 1 }",
        "a big number": "9" * 18,
    }
    for value in values.values():
        assert paths(f"[limits]\nread_timeout = {value}\n{ACCOUNT}") == ["limits.read_timeout"]
        assert paths(f"[server]\nport = {value}\n{ACCOUNT}") == ["server.port"]
