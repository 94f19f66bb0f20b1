from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from retouch import plugins
from retouch.config import (
    AccountCommon,
    ConfigError,
    KeyConfig,
    LimitsConfig,
    PluginsConfig,
    ServerConfig,
    parse,
)
from retouch.schema import document
from tests.http.inside import Studio, loaded


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema with the plugins of this repository."""
    found: dict[str, Any] = json.loads(json.dumps(document(plugins.load(("local", "openai")))))
    return found


KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
    "boolean": bool, "null": type(None),
}  # fmt: skip


def problems(value: Any, rule: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """What a JSON Schema validator would say: the keywords that our schemas use."""
    if "$ref" in rule:
        return problems(value, root["$defs"][rule["$ref"].rpartition("/")[2]], root, at)
    for keyword in ("oneOf", "anyOf"):
        if keyword in rule:
            fits = [part for part in rule[keyword] if not problems(value, part, root, at)]
            right = len(fits) == 1 if keyword == "oneOf" else bool(fits)
            return [] if right else [f"{at}: {len(fits)} of {keyword}"]
    kind = rule.get("type")
    if kind is not None and not is_a(value, kind):
        return [f"{at}: not {kind}"]
    found = [] if value == rule.get("const", value) else [f"{at}: not {rule['const']}"]
    found += [] if value in rule.get("enum", [value]) else [f"{at}: not in enum"]
    if isinstance(value, str) and not re.search(rule.get("pattern", ""), value):
        found.append(f"{at}: pattern")
    if is_a(value, "number") and not within(value, rule):
        found.append(f"{at}: bounds")
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += problems(item, rule.get("items", {}), root, f"{at}[{index}]")
    if isinstance(value, dict):
        found += problems_of_object(value, rule, root, at)
    return found


def is_a(value: Any, kind: str) -> bool:
    """JSON Schema's ``type``: a boolean is no number."""
    return isinstance(value, KINDS[kind]) and (kind == "boolean") is isinstance(value, bool)


def within(value: float, rule: dict[str, Any]) -> bool:
    """Whether a number keeps its bounds."""
    low, high = rule.get("minimum", value), rule.get("maximum", value)
    return bool(low <= value <= high and value > rule.get("exclusiveMinimum", value - 1))


def problems_of_object(
    value: dict[str, Any], rule: dict[str, Any], root: dict[str, Any], at: str
) -> Iterator[str]:
    properties, more = rule.get("properties", {}), rule.get("additionalProperties", True)
    yield from (f"{at}.{name}: missing" for name in rule.get("required", []) if name not in value)
    if len(value) < rule.get("minProperties", 0):
        yield f"{at}: too few"
    for name, item in value.items():
        if name in properties:
            yield from problems(item, properties[name], root, f"{at}.{name}")
        elif more is False:
            yield f"{at}.{name}: unknown"
        elif isinstance(more, dict):
            yield from problems(item, more, root, f"{at}.{name}")


HASH = "0123456789abcdef" * 4
GOOD = (
    '[accounts.local]\nprovider = "local"\n',
    """
    [server]
    host = "127.0.0.1"
    port = 8080
    [accounts.openai-main]
    provider = "openai"
    api_key = { env = "OPENAI_API_KEY" }
    base_url = "https://api.openai.com/v1"
    organization = "org-1"
    project = "proj-1"
    """,
    f"""
    [server]
    host = "0.0.0.0"
    workers = 4
    [limits]
    total_timeout = 60
    heartbeat = 0.5
    [plugins]
    enabled = ["openai", "local"]
    [accounts.a]
    provider = "openai"
    api_key = {{ file = "/run/secrets/key" }}
    base_url = "http://127.0.0.1:9999/v1"
    drop_params = true
    extra_fields = "refuse"
    [accounts.a.models.pretty]
    id = "gpt-image-2"
    shutdown = "2027-04-21"
    [accounts.a.models.pretty.capabilities]
    max_images = 2
    sizes = ["1024x1024"]
    parameters = {{ quality = ["low"], n = {{ min = 1, max = 4 }}, user = true }}
    [accounts.a.models.pretty.price]
    image_out = 30.0
    [accounts.b]
    provider = "local"
    threads = 2
    [[keys]]
    name = "team-a"
    sha256 = "{HASH}"
    accounts = ["a"]
    """,
)
ACCOUNT = '[accounts.a]\nprovider = "local"\n'
BAD = (
    "",
    "[accounts]",
    "[accounts.a]\nthreads = 1",
    ACCOUNT + "threads = 0",
    ACCOUNT + "thread = 1",
    ACCOUNT + 'api_key = "x"',
    ACCOUNT + "drop_params = 1",
    ACCOUNT + 'extra_fields = "perhaps"',
    ACCOUNT + "models.x.prize = 1",
    ACCOUNT + "models.x.capabilities.max_image = 1",
    ACCOUNT + '[server]\nport = "8080"',
    ACCOUNT + "[server]\nport = 65536",
    ACCOUNT + "[server]\nprot = 1",
    ACCOUNT + "[serverr]",
    ACCOUNT + "[limits]\nfan_out = 11",
    ACCOUNT + "[limits]\ntotal_timeout = 0",
    ACCOUNT + '[plugins]\nenabled = "local"',
    ACCOUNT + '[[keys]]\nname = "x"\nsha256 = "beef"',
    ACCOUNT + f'[[keys]]\nname = "a b"\nsha256 = "{HASH}"',
    ACCOUNT + f'[[keys]]\nname = "x"\nsha256 = "{HASH}"\nacounts = []',
    '[accounts.a]\nprovider = "openai"',
    '[accounts.a]\nprovider = "openai"\napi_key = 5',
    '[accounts.a]\nprovider = "openai"\napi_key = { enw = "X" }',
    '[accounts.a]\nprovider = "openai"\napi_key = { env = "X", file = "y" }',
    '[accounts.a]\nprovider = "openai"\napi_key = "x"\nbase_url = "http://evil.test"',
    '[accounts.a]\nprovider = "nobody"',
)


def accepted(text: str) -> bool:
    """Whether the program itself takes the file."""
    from retouch.routing import build

    try:
        config = parse(
            tomllib.loads(text.replace("/run/secrets/key", "/dev/fd/none")),
            {"OPENAI_API_KEY": "sk", "X": "y"},
        )
        build(config, plugins.load(("local", "openai")))
    except ConfigError as wrong:
        return all("/dev/fd/none" in fault.message for fault in wrong.faults)
    return True


@pytest.mark.parametrize("text", GOOD)
def test_what_the_program_takes_the_schema_takes(schema: dict[str, Any], text: str) -> None:
    assert accepted(text)
    assert problems(tomllib.loads(text), schema, schema) == []


@pytest.mark.parametrize("text", BAD)
def test_what_the_program_refuses_the_schema_refuses(schema: dict[str, Any], text: str) -> None:
    assert not accepted(text)
    assert problems(tomllib.loads(text), schema, schema)


def test_every_key_is_in_the_schema(schema: dict[str, Any]) -> None:
    definitions = schema["$defs"]
    for kind in (ServerConfig, LimitsConfig, PluginsConfig, KeyConfig):
        described = definitions[kind.__name__]
        assert set(described["properties"]) == set(kind.__struct_fields__)
        assert described["additionalProperties"] is False
    accounts = schema["properties"]["accounts"]["additionalProperties"]["oneOf"]
    assert [account["title"] for account in accounts] == ["local", "openai"]
    for account in accounts:
        assert set(AccountCommon.__struct_fields__) <= set(account["properties"])
    assert accounts[1]["required"] == ["provider", "api_key"]
    assert set(schema["properties"]) == {"server", "limits", "plugins", "keys", "accounts"}


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    names = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema)))
    assert names
    assert names <= set(schema["$defs"])


def test_settings_structs_of_the_same_name_stay_apart(schema: dict[str, Any]) -> None:
    """Every plugin calls its settings ``Settings``."""
    local, openai = schema["properties"]["accounts"]["additionalProperties"]["oneOf"]
    assert "threads" in local["properties"]
    assert "threads" not in openai["properties"]


def test_plugins_of_others_are_described_too() -> None:
    (account,) = document(loaded(Studio()))["properties"]["accounts"]["additionalProperties"][
        "oneOf"
    ]
    assert {"api_key", "region"} <= set(account["properties"])
    assert account["properties"]["provider"] == {"const": "studio"}
