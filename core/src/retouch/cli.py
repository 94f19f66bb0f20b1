"""The command line: ``retouch serve | check | plugins | models | schema | keys new``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import retouch
from retouch import config as configuration
from retouch import plugins as plugin_loader
from retouch import routing, schema
from retouch.config import Config, ConfigError, KeyConfig
from retouch.decoding import Fault
from retouch.http.auth import new_key
from retouch.plugins import PluginError, Plugins
from retouch.routing import Caller, Routes

#: Exit code of a configuration that cannot be used (sysexits' EX_CONFIG).
EXIT_CONFIG = 78


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        command: int = options.run(options)
    except ConfigError as error:
        for fault in error.faults:
            print(f"retouch: {fault}", file=sys.stderr)
        return EXIT_CONFIG
    except PluginError as error:
        print(f"retouch: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="retouch", description=retouch.__doc__)
    parser.add_argument("--version", action="version", version=f"retouch {retouch.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        made.set_defaults(run=run)
        return made

    def with_config(made: argparse.ArgumentParser) -> None:
        made.add_argument("--config", type=Path, metavar="FILE", help="the TOML configuration")

    serve = command("serve", _serve, "Run the gateway.")
    with_config(serve)
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port; 0 picks a free one (default: 8080)")
    serve.add_argument("--workers", type=int, help="processes (default: 1)")
    with_config(command("check", _check, "Name every fault of a configuration."))
    with_config(command("plugins", _plugins, "List the plugins, and why any failed."))
    with_config(command("models", _models, "List the models of all accounts."))
    with_config(command("schema", _schema, "Print the JSON Schema of the configuration."))
    keys = commands.add_parser("keys", help="Make gateway keys.")
    new = keys.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "new", help="Print a new key once, and the block that lets it in."
    )
    new.add_argument("name", help="who will use it")
    new.set_defaults(run=_new_key)
    return parser


def _serve(options: argparse.Namespace) -> int:
    from retouch.server import serve  # the other commands need no server

    config, _, routes = prepare(options)
    return serve(config, routes, options.config)


def prepare(options: argparse.Namespace) -> tuple[Config, Plugins, Routes]:
    """Configuration, plugins and routes, with warnings said on standard error.

    :raises ConfigError: with every fault, of the file and of what the plugins make of it.
    """
    config, faults = _read(options.config)
    loaded = plugin_loader.load(config.plugins.enabled)
    _warn(config, loaded)
    try:
        routes = routing.build(config, loaded)
    except ConfigError as error:
        faults = faults + error.faults
    if faults:
        raise ConfigError(faults)
    config = configuration.with_server(
        config,
        getattr(options, "host", None),
        getattr(options, "port", None),
        getattr(options, "workers", None),
    )
    return config, loaded, routes


def _read(path: Path | None) -> tuple[Config, list[Fault]]:
    """The configuration as far as it could be read, and what is wrong with it."""
    try:
        return configuration.load(path), []
    except ConfigError as error:
        if error.partial is None:
            raise
        return error.partial, error.faults


def _warn(config: Config, loaded: Plugins) -> None:
    for plugin in loaded.found:
        if plugin.error is not None:
            print(
                f"retouch: warning: the plugin `{plugin.name}` ({plugin.distribution} "
                f"{plugin.version}) did not load: {plugin.error}",
                file=sys.stderr,
            )
    settings = {
        name: plugin.info.settings
        for name, plugin in loaded.providers.items()
        if plugin.info is not None
    }
    for path in configuration.plain_secrets(config, settings):
        print(
            f"retouch: warning: {path} is a secret in plain text; use "
            '{ env = "NAME" } or { file = "path" }',
            file=sys.stderr,
        )


def _check(options: argparse.Namespace) -> int:
    config, _, _ = prepare(options)
    print(f"ok: {len(config.accounts)} account(s), {len(config.keys)} key(s)")
    return 0


def _plugins(options: argparse.Namespace) -> int:
    # A configuration with faults must not hide the plugins that would explain them.
    config, _ = _read(options.config)
    loaded = plugin_loader.load(config.plugins.enabled)
    for plugin in loaded.found:
        what = "provider" if plugin.info is not None else "cross-cutting"
        state = what if plugin.error is None else f"FAILED: {plugin.error}"
        print(f"{plugin.name:<16} {plugin.distribution} {plugin.version:<12} {state}")
    return 0


def _models(options: argparse.Namespace) -> int:
    _, _, routes = prepare(options)
    for name, _, model in routes.models(Caller()):
        mask = {"never": "", "may": "mask", "must": "mask needed"}[model.capabilities.mask]
        end = f"shuts down {model.shutdown}" if model.shutdown else ""
        print(f"{name:<44} {mask:<12} {end}".rstrip())
    return 0


def _schema(options: argparse.Namespace) -> int:
    enabled = configuration.load(options.config).plugins.enabled if options.config else None
    document = schema.document(plugin_loader.load(enabled))
    print(msgspec.json.format(msgspec.json.encode(document)).decode())
    return 0


def _new_key(options: argparse.Namespace) -> int:
    key, digest = new_key()
    table = {"name": options.name, "sha256": digest}
    try:
        msgspec.convert(table, KeyConfig)
    except msgspec.ValidationError:
        raise ConfigError(
            [Fault("name", "has letters, digits, dots, dashes and underscores, up to 64")]
        ) from None
    print(f"# Give this key to {options.name}; it is not shown again:\n# {key}")
    print(f'[[keys]]\nname = "{options.name}"\nsha256 = "{digest}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
