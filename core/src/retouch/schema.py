"""The JSON Schema of the configuration file, made from the structs that decode it."""

from __future__ import annotations

from typing import Any

import msgspec

from retouch.capabilities import Capabilities
from retouch.config import AccountCommon, KeyConfig, LimitsConfig, PluginsConfig, ServerConfig
from retouch.models import ModelInfo
from retouch.plugins import Plugins
from retouch.types import Secret

_REFERENCE = {
    "oneOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"env": {"type": "string"}},
            "required": ["env"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"file": {"type": "string"}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ]
}
_SECTIONS = {"server": ServerConfig, "limits": LimitsConfig, "plugins": PluginsConfig}


def document(plugins: Plugins) -> dict[str, Any]:
    """The schema of the whole file, with the settings of every loaded plugin."""
    settings = {
        name: plugin.info.settings
        for name, plugin in sorted(plugins.providers.items())
        if plugin.info is not None
    }
    structs = [*_SECTIONS.values(), KeyConfig, AccountCommon, Capabilities, ModelInfo]
    references, definitions = msgspec.json.schema_components(
        [*structs, *settings.values()],
        schema_hook=_secret,
        ref_template="#/$defs/{name}",
    )
    by_struct = dict(zip([*structs, *settings.values()], references, strict=True))
    common = definitions.pop("AccountCommon")["properties"]
    common["models"] = {"type": "object", "additionalProperties": _override(definitions)}
    for kind in _SECTIONS.values():
        definitions[kind.__name__]["additionalProperties"] = False
    definitions["KeyConfig"]["additionalProperties"] = False
    accounts = [
        _account(name, _resolved(by_struct[kind], definitions), common)
        for name, kind in settings.items()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "retouch configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{name: by_struct[kind] for name, kind in _SECTIONS.items()},
            "keys": {"type": "array", "items": by_struct[KeyConfig]},
            "accounts": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"oneOf": accounts},
            },
        },
        "required": ["accounts"],
        "$defs": definitions,
    }


def _account(name: str, settings: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": name,
        "additionalProperties": False,
        "properties": {**common, **settings["properties"], "provider": {"const": name}},
        "required": ["provider", *settings.get("required", [])],
    }


def _override(definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's table in the configuration: any keys of a model, none of them needed."""
    model = definitions["ModelInfo"]
    return {"type": "object", "properties": model["properties"], "additionalProperties": False}


def _resolved(reference: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definitions[reference["$ref"].rpartition("/")[2]]
    return found


def _secret(kind: type) -> dict[str, Any]:
    if kind is Secret:
        return _REFERENCE
    raise NotImplementedError
