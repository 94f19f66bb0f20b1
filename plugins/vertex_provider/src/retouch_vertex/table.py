"""``models.toml``: models with their capabilities, and what is Gemini's alone."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources

import msgspec

from retouch import ModelInfo, load_models


class Traits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one Gemini model takes: image sizes, aspect ratios, thinking levels."""

    sizes: tuple[str, ...]
    ratios: tuple[str, ...]
    thinking: tuple[str, ...]


@functools.cache
def models() -> tuple[ModelInfo, ...]:
    """The listed models."""
    return load_models(_text())


@functools.cache
def traits(model: str) -> Traits:
    """The traits of a Gemini model; of an unlisted one everything there is."""
    return _traits().get(model) or _traits()["every"]


@functools.cache
def _traits() -> dict[str, Traits]:
    return msgspec.convert(tomllib.loads(_text())["gemini"], dict[str, Traits])


@functools.cache
def _text() -> str:
    return resources.files(__package__).joinpath("models.toml").read_text("utf-8")
