"""The configuration: one TOML file into structs, with every fault named by its path.

A secret is ``{ env = "NAME" }`` or ``{ file = "path" }``; the tables are replaced by what
they point at before anything else looks at them. Only ``load`` reads files and environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from retouch.decoding import Fault, decode_struct, did_you_mean, fields_of
from retouch.types import Secret

#: Addresses that only this machine can reach; any other needs keys.
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
#: Names of accounts and keys appear in URLs, model names and logs.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
NAME_RULE = "a name of at most 64 letters, digits, dots, dashes and underscores"

MIB = 1024 * 1024


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``[server]``: where to listen."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    workers: Annotated[int, Meta(ge=1, le=256)] = 1


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``[limits]``: what one request may take. Sizes in bytes, times in seconds."""

    #: 16 pictures of 50 MiB, a mask and a markup of 4 MiB each, and the text fields.
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 816 * MIB
    max_json_bytes: Annotated[int, Meta(ge=1024)] = 64 * MIB
    max_response_bytes: Annotated[int, Meta(ge=1024)] = 384 * MIB
    connect_timeout: Annotated[float, Meta(gt=0, le=60)] = 5.0
    read_timeout: Annotated[float, Meta(gt=0, le=600)] = 300.0
    #: Below the OpenAI SDKs' own 600 s, else they give up first and pay again.
    total_timeout: Annotated[float, Meta(gt=0, le=3_600)] = 540.0
    heartbeat: Annotated[float, Meta(gt=0, le=300)] = 15.0
    fan_out: Annotated[int, Meta(ge=1, le=10)] = 4


class PluginsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``[plugins]``: which installed plugins may load; all of them if left out."""

    enabled: tuple[str, ...] | None = None


class KeyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``[[keys]]``: one gateway key, known only by its SHA-256."""

    name: Annotated[str, Meta(pattern=NAME_PATTERN, description=NAME_RULE)]
    sha256: Annotated[
        str, Meta(pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits in lower case")
    ]
    accounts: tuple[str, ...] | None = None


class AccountCommon(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that every ``[accounts.NAME]`` has, whatever its provider."""

    provider: str
    drop_params: bool = False
    extra_fields: Literal["refuse", "forward"] | None = None
    models: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)


class AccountConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One account: the common keys, and the provider's settings as they stand in the file."""

    name: str
    common: AccountCommon
    settings: dict[str, Any]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    server: ServerConfig = msgspec.field(default_factory=ServerConfig)
    limits: LimitsConfig = msgspec.field(default_factory=LimitsConfig)
    plugins: PluginsConfig = msgspec.field(default_factory=PluginsConfig)
    keys: tuple[KeyConfig, ...] = ()
    accounts: dict[str, AccountConfig] = msgspec.field(default_factory=dict)


class ConfigError(Exception):
    """The configuration cannot be used.

    :ivar faults: everything that is wrong.
    :ivar partial: what could be read in spite of it, to look for further faults in.
    """

    def __init__(self, faults: list[Fault], partial: Config | None = None) -> None:
        self.faults = faults
        self.partial = partial
        super().__init__("\n".join(map(str, faults)))


#: What ``retouch serve`` runs without a file.
DEFAULT_DOCUMENT: dict[str, Any] = {"accounts": {"local": {"provider": "local"}}}

_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": ServerConfig,
    "limits": LimitsConfig,
    "plugins": PluginsConfig,
}
_COMMON_KEYS = frozenset(AccountCommon.__struct_fields__)


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in ``path``, or the one with a single ``local`` account.

    :raises ConfigError: with every fault that the file has.
    """
    if path is None:
        return parse(DEFAULT_DOCUMENT, environ)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Fault(str(path), f"cannot be read ({type(error).__name__})")]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Fault(str(path), f"is not TOML: {error}")]) from error
    return parse(document, environ, folder=path.parent)


def parse(document: Mapping[str, Any], environ: Mapping[str, str], folder: Path = Path()) -> Config:
    """A configuration from a decoded file; relative secret files start at ``folder``.

    :raises ConfigError: with every fault, and with what could be read.
    """
    faults: list[Fault] = []
    resolved = _resolve(document, "", environ, folder, faults)
    found: dict[str, Any] = {}
    for name, kind in _SECTIONS.items():
        section = decode_struct(_table(resolved.get(name, {}), name, faults), kind, path=name)
        if isinstance(section, list):
            faults += section
        else:
            found[name] = section
    found["keys"] = _keys(resolved.get("keys", []), faults)
    found["accounts"] = _accounts(resolved.get("accounts", {}), faults)
    known = (*_SECTIONS, "keys", "accounts")
    faults += [
        Fault(name, f"unknown section{did_you_mean(name, known)}")
        for name in resolved
        if name not in known
    ]
    config = Config(**found)
    faults += _consistency(config, resolved)
    if faults:
        raise ConfigError(faults, config)
    return config


def with_server(config: Config, host: str | None, port: int | None, workers: int | None) -> Config:
    """``config`` with what the command line says.

    :raises ConfigError: for a value out of bounds, and for a host that others can reach while
        no key is configured.
    """
    given = {"host": host, "port": port, "workers": workers}
    changes = {name: value for name, value in given.items() if value is not None}
    server = decode_struct({**msgspec.to_builtins(config.server), **changes}, ServerConfig)
    if isinstance(server, list):
        raise ConfigError([Fault(f"--{fault.path}", fault.message) for fault in server])
    config = msgspec.structs.replace(config, server=server)
    if faults := _reachable(server.host, any_key=bool(config.keys)):
        raise ConfigError(faults)
    return config


def plain_secrets(config: Config, settings: Mapping[str, type[msgspec.Struct]]) -> list[str]:
    """The paths of secrets that stand in the file as plain text, to be warned about."""
    return [
        f"accounts.{account.name}.{field.name}"
        for account in config.accounts.values()
        if account.common.provider in settings
        for field in fields_of(settings[account.common.provider]).values()
        if "Secret" in str(field.type)
        and isinstance(value := account.settings.get(field.encode_name), str)
        and not isinstance(value, _Referenced)
    ]


def secret_hook(kind: type, value: Any) -> Any:
    """msgspec's hook that makes a ``Secret`` of text."""
    if kind is not Secret:
        raise NotImplementedError
    if not isinstance(value, str):
        raise ValueError("a secret is text")  # noqa: TRY004 - msgspec reports a ValueError
    return Secret(str(value))


class _Referenced(str):
    """Text that came from a variable or a file rather than from the configuration itself."""

    __slots__ = ()


def _resolve(
    value: Any, path: str, environ: Mapping[str, str], folder: Path, faults: list[Fault]
) -> Any:
    if isinstance(value, list):
        return [
            _resolve(item, f"{path}[{index}]", environ, folder, faults)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(text := next(iter(value.values())), str):
        if "env" in value:
            return _from_environment(text, path, environ, faults)
        if "file" in value:
            return _from_file(folder / text, path, faults)
    return {
        name: _resolve(item, f"{path}.{name}" if path else name, environ, folder, faults)
        for name, item in value.items()
    }


def _from_environment(
    name: str, path: str, environ: Mapping[str, str], faults: list[Fault]
) -> _Referenced:
    if not environ.get(name):
        faults.append(Fault(path, f"the environment variable {name} is not set"))
    return _Referenced(environ.get(name, ""))


def _from_file(file: Path, path: str, faults: list[Fault]) -> _Referenced:
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        faults.append(Fault(path, f"the file {file} cannot be read"))
        return _Referenced("")
    if not text:
        faults.append(Fault(path, f"the file {file} is empty"))
    return _Referenced(text)


def _table(value: Any, path: str, faults: list[Fault]) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    faults.append(Fault(path, "must be a table"))
    return {}


def _keys(value: Any, faults: list[Fault]) -> tuple[KeyConfig, ...]:
    if not isinstance(value, list):
        faults.append(Fault("keys", "must be a list of tables: [[keys]]"))
        return ()
    keys = [
        decode_struct(_table(item, f"keys[{index}]", faults), KeyConfig, path=f"keys[{index}]")
        for index, item in enumerate(value)
    ]
    faults += [fault for key in keys if isinstance(key, list) for fault in key]
    return tuple(key for key in keys if isinstance(key, KeyConfig))


def _accounts(value: Any, faults: list[Fault]) -> dict[str, AccountConfig]:
    accounts: dict[str, AccountConfig] = {}
    for name, table in _table(value, "accounts", faults).items():
        path = f"accounts.{name}"
        fields = _table(table, path, faults)
        common = decode_struct(
            {key: item for key, item in fields.items() if key in _COMMON_KEYS},
            AccountCommon,
            path=path,
        )
        if isinstance(common, list):
            faults += common
            continue
        settings = {key: item for key, item in fields.items() if key not in _COMMON_KEYS}
        accounts[name] = AccountConfig(name=name, common=common, settings=settings)
    return accounts


def _consistency(config: Config, document: Mapping[str, Any]) -> list[Fault]:
    """What is wrong between sections; ``document`` also has what is wrong within one."""
    faults = []
    accounts = document.get("accounts")
    if not accounts:
        faults.append(Fault("accounts", "at least one account is needed"))
    names = list(accounts) if isinstance(accounts, dict) else []
    faults += [
        Fault(f"accounts.{name}", f"must be {NAME_RULE}")
        for name in names
        if re.fullmatch(NAME_PATTERN, name) is None
    ]
    for key in config.keys:
        faults += [
            Fault(f"keys.{key.name}.accounts", f"there is no account `{name}`")
            for name in key.accounts or ()
            if name not in names
        ]
    for what in ("name", "sha256"):
        values = [getattr(key, what) for key in config.keys]
        faults += [
            Fault("keys", f"the {what} `{value}` is used twice")
            for value in sorted(set(values))
            if values.count(value) > 1
        ]
    server = document.get("server")
    host = server.get("host") if isinstance(server, dict) else None
    host = host if isinstance(host, str) else config.server.host
    return faults + _reachable(host, any_key=bool(document.get("keys")))


def _reachable(host: str, *, any_key: bool) -> list[Fault]:
    if any_key or host in LOOPBACK_HOSTS:
        return []
    return [
        Fault(
            "server.host",
            f"{host or 'every address'} can be reached by others, so at least one [[keys]] is "
            "needed; `retouch keys new NAME` makes one",
        )
    ]
