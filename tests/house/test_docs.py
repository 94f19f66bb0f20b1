from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from retouch import capabilities, cli, config, errors, hookspecs, models, plugins, pricing
from retouch.errors import GatewayError, UpstreamRefused
from retouch.http.app import EDIT_PATHS
from tests.house.tree import CORE, ROOT, files, plugin_folders, short, tree

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


# --- hooks -------------------------------------------------------------------------------

HOOKS = [
    function
    for _, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if function.__module__ == hookspecs.__name__
]


def signature(hook: Any) -> str:
    """As in hookspecs.py: ``name(arg: Type, ...) -> Result``."""
    return f"{hook.__name__}{inspect.signature(hook)}".replace("'", "")


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_every_hook_has_a_heading_with_its_exact_signature(hook: Any) -> None:
    headings = [line for line in page("hooks.md").splitlines() if line.startswith("#")]
    assert [line for line in headings if signature(hook) in line], signature(hook)


def test_the_page_has_no_heading_of_a_hook_that_is_gone() -> None:
    headings = re.findall(r"^#+ `(\w+)\(", page("hooks.md"), re.MULTILINE)
    assert sorted(headings) == sorted(hook.__name__ for hook in HOOKS)


# --- configuration -----------------------------------------------------------------------

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "`[server]`": config.ServerConfig,
    "`[limits]`": config.LimitsConfig,
    "`[plugins]`": config.PluginsConfig,
    "`[accounts.NAME]`": config.AccountCommon,
    "`[[keys]]`": config.KeyConfig,
}


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level."""
    match = re.search(rf"^(#+) [^\n]*{re.escape(heading)}[^\n]*\n", text, re.MULTILINE)
    assert match is not None, f"there is no heading {heading}"
    rest = text[match.end() :]
    following = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def rows(text: str) -> dict[str, str]:
    """The tables of a page: first column, without its backticks, to the rest of the row."""
    return dict(re.findall(r"^\| `([\w-]+)` \|(.*)\|$", text, re.MULTILINE))


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_of_the_configuration_is_described(heading: str) -> None:
    described = rows(section(page("configuration.md"), heading))
    kind: type[msgspec.Struct] = SECTIONS[heading]
    assert set(described) >= set(kind.__struct_fields__)
    for field in msgspec.structs.fields(kind):
        if isinstance(field.default, bool | int | float | str):
            value = msgspec.json.encode(field.default).decode()
            assert f"`{value}`" in described[field.name], f"{field.name}: default {value}"


def test_no_key_is_described_that_is_gone() -> None:
    for heading, kind in SECTIONS.items():
        text = section(page("configuration.md"), heading).partition("\n### ")[0]
        assert set(rows(text)) == set(kind.__struct_fields__)


def test_every_setting_of_a_plugin_is_described() -> None:
    """On the configuration's page or on the plugin's own."""
    loaded = plugins.load().providers
    missing = []
    for folder in plugin_folders():
        name = folder.name.removesuffix("_provider")
        text = page("configuration.md") + (folder / "README.md").read_text("utf-8")
        info = loaded[name].info
        assert info is not None
        missing += [
            f"{name}: {field.encode_name}"
            for field in msgspec.structs.fields(info.settings)
            if f"`{field.encode_name}`" not in text
        ]
    assert missing == []


def test_every_key_of_a_model_is_described() -> None:
    keys = (*models.ModelInfo.__struct_fields__, *pricing.Price.__struct_fields__)
    assert [key for key in keys if f"`{key}`" not in page("configuration.md")] == []


def test_every_capability_is_described() -> None:
    """For those who override one, and for those who write a plugin."""
    text = page("configuration.md") + page("hooks.md") + page("writing-a-provider.md")
    keys = capabilities.Capabilities.__struct_fields__
    assert [key for key in keys if f"`{key}`" not in text] == []


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (text for text in action.option_strings if text not in ("-h", "--help"))
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield name
                yield from options(child)


@pytest.mark.parametrize("word", sorted(set(options(cli._parser())) - {"--version"}))
def test_every_command_and_flag_is_described(word: str) -> None:
    lines = [line for line in page("configuration.md").splitlines() if "`retouch " in line]
    assert any(re.search(rf"(?<![\w-]){word}(?![\w-])", line) for line in lines)


def test_every_environment_variable_is_described() -> None:
    read = set()
    for path in files(".py", under=CORE):
        read |= set(re.findall(r"environ(?:\.get)?[\[(]\"([A-Z_]+)\"", path.read_text("utf-8")))
    assert "RETOUCH_PLUGINS" in read
    assert [name for name in read if name not in page("configuration.md")] == []


def test_every_path_is_described() -> None:
    text = page("configuration.md").replace("{account%2Fmodel}", "{model:path}")
    for path in (
        *EDIT_PATHS,
        "/v1/models",
        "/v1/images/models",
        "/healthz",
        "/readyz",
        "/openapi.json",
    ):
        assert path in text, path


# --- errors ------------------------------------------------------------------------------


def kinds(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from kinds(child)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_every_error_has_its_row(kind: type[GatewayError]) -> None:
    row = rows(page("errors.md"))[kind.__name__]
    if kind is not UpstreamRefused:
        assert f" {kind.status} " in row
        assert f"`{kind.type}`" in row
        assert kind.code is None or kind is errors.InvalidRequest or f"`{kind.code}`" in row


def test_no_error_is_described_that_is_gone() -> None:
    described = {name for name in rows(page("errors.md")) if name[0].isupper()}
    assert described == {kind.__name__ for kind in kinds()}


def codes(path: Path) -> set[str]:
    """The codes that a module gives to its errors."""
    found = set()
    for node in ast.walk(tree(path)):
        if (
            isinstance(node, ast.keyword)
            and node.arg == "code"
            and isinstance(node.value, ast.Constant)
        ):
            found.add(node.value.value)
    return {code for code in found if isinstance(code, str)}


def test_every_code_is_described() -> None:
    """A plugin's own codes may stand in its README."""
    missing = []
    for folder in (CORE, *plugin_folders()):
        text = page("errors.md")
        if folder != CORE:
            text += (folder / "README.md").read_text("utf-8")
        for path in files(".py", under=folder):
            if not {"testing", "tests"} & set(path.relative_to(ROOT).parts):
                undescribed = [code for code in codes(path) if f"`{code}`" not in text]
                missing += [f"{short(path)}: {code}" for code in undescribed]
    assert missing == []
