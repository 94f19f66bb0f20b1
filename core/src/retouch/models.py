"""What a provider plugin says about itself and its models."""

from __future__ import annotations

import tomllib
from typing import Annotated

import msgspec
from msgspec import Meta

from retouch.capabilities import Capabilities
from retouch.pricing import Price

DATE = r"^\d{4}-\d{2}-\d{2}$"


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of a provider, usually a row of its ``models.toml``.

    :param id: what goes upstream.
    :param family: the plugin's own grouping, where models of one kind share code.
    :param shutdown: the provider's announced end, ``YYYY-MM-DD``.
    :param hint: said to the client when the model is gone, for example its successor.
    """

    id: str
    capabilities: Capabilities = msgspec.field(default_factory=Capabilities)
    price: Price | None = None
    family: str = ""
    shutdown: Annotated[str, Meta(pattern=DATE, description="a date, YYYY-MM-DD")] | None = None
    hint: str = ""


class ProviderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider plugin is.

    :param name: must equal the entry point's name.
    :param settings: the struct of an account's settings; credentials are typed ``Secret``.
    :param models: the models it knows.
    :param options: the struct of the provider's own request fields, all of them optional.
    :param default: capabilities of ids that are not listed; ``None`` refuses such ids.
    :param converts: whether ``translate_request`` may convert pictures; ``False`` for a
        provider that passes them on as they are, which saves a change of thread.
    :param title: for people; the name if left out.
    """

    name: str
    settings: type[msgspec.Struct]
    models: tuple[ModelInfo, ...] = ()
    options: type[msgspec.Struct] | None = None
    default: Capabilities | None = None
    converts: bool = True
    title: str = ""


def load_models(text: str) -> tuple[ModelInfo, ...]:
    """The models of a ``models.toml``.

    ``[families.NAME]`` tables hold capabilities and price that the ``[[models]]`` of that
    family start from; a model's own ``capabilities`` keys come on top.

    :raises msgspec.ValidationError: naming the key, for a table that fits no ``ModelInfo``.
    """
    document = tomllib.loads(text)
    families = document.get("families", {})
    return tuple(
        msgspec.convert(_merged(families.get(row.get("family", ""), {}), row), ModelInfo)
        for row in document["models"]
    )


def overridden(model: ModelInfo, changes: dict[str, object]) -> dict[str, object]:
    """``model`` with the keys that a configuration sets, still to be decoded.

    ``capabilities`` merge key by key.
    """
    return _merged(msgspec.to_builtins(model), changes)


def _merged(base: dict[str, object], top: dict[str, object]) -> dict[str, object]:
    merged = {**base, **top}
    below, above = base.get("capabilities"), top.get("capabilities")
    if isinstance(below, dict) and isinstance(above, dict):
        merged["capabilities"] = {**below, **above}
    return merged
