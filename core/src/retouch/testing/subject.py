"""The plugin as the core sees it: registered, with an account, without any socket."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from retouch import config as configuration
from retouch import plugins, routing
from retouch.capabilities import Capabilities
from retouch.config import Config
from retouch.dispatch import ProviderHooks
from retouch.fitting import fit_edit, fit_result
from retouch.media.blob import Blob
from retouch.media.masks import Mask
from retouch.media.pictures import inspect
from retouch.models import ProviderInfo
from retouch.plugins import Plugin, Plugins
from retouch.routing import Caller, Route, Routes
from retouch.submission import Submission, build_edit
from retouch.testing import samples
from retouch.types import (
    Account,
    EditRequest,
    EditResult,
    Picture,
    Secret,
    UpstreamRequest,
    UpstreamResponse,
)

#: Names that could reach a provider only by mistake, so that they are easy to find there.
ACCOUNT = "kit-account-canary"
UNREACHABLE = "kit-unreachable"


class Subject:
    """One plugin with one account, and edits for one of its models.

    :param accounts: account settings by account name, as they would stand in TOML.
    :raises PluginError: when the core refuses the plugin.
    :raises ConfigError: when it refuses an account's settings.
    """

    def __init__(self, plugin: Any, accounts: Mapping[str, Mapping[str, Any]], model: str) -> None:
        self.plugins, self.info = registered(plugin)
        self.config, self.routes = configured(self.plugins, self.info.name, accounts)
        self.route: Route = self.routes.resolve(f"{ACCOUNT}/{model}", Caller())

    @property
    def hooks(self) -> ProviderHooks:
        """The plugin's hooks, behind the core's own guard."""
        return self.route.target.hooks

    @property
    def account(self) -> Account:
        """The account, with decoded settings."""
        return self.route.target.account

    @property
    def can(self) -> Capabilities:
        """What the model takes."""
        return self.route.model.capabilities

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture that the model takes."""
        side = min(max(64, self.can.min_image_side), self.can.max_image_side)
        return side, side

    def edit(
        self,
        fields: Mapping[str, Any],
        images: tuple[bytes, ...] = (),
        mask: bytes | None = None,
    ) -> EditRequest:
        """An edit as the plugin's hooks would get it, made by the core's own steps.

        ``validate`` has run. Without ``images`` there is one picture, and a mask if needed.

        :raises GatewayError: when the core or the plugin refuses it.
        """
        if mask is None and self.can.mask == "must":
            mask = samples.mask(*self.size, corner(self.size))
        pictures = tuple(_picture(data) for data in images or (samples.picture(*self.size),))
        submission = Submission(
            fields=dict(fields), images=pictures, mask=None if mask is None else _picture(mask)
        )
        edit, _ = build_edit(submission, self.route, "req_kit")
        self.hooks.validate(edit, self.account)
        return asyncio.run(fit_edit(edit, self.can))

    def request(self, edit: EditRequest) -> UpstreamRequest:
        """What the plugin makes of an edit."""
        return self.hooks.translate_request(edit, self.account)

    def result(self, response: UpstreamResponse, edit: EditRequest) -> EditResult:
        """What becomes of an answer, with what the core does to it.

        :raises GatewayError: for a failure.
        """
        result = self.hooks.translate_response(response, edit, self.account)
        return asyncio.run(fit_result(result, edit, self.can))


def registered(plugin: Any) -> tuple[Plugins, ProviderInfo]:
    """The plugin alone, registered by the core's own rules.

    :raises PluginError: when the core refuses it.
    """
    manager = plugins.new_manager()
    said = plugin.provider_info()
    info = plugins.register(manager, getattr(said, "name", ""), plugin)
    if info is None:
        raise plugins.PluginError("it has no provider_info()")
    found = Plugin(
        name=info.name, distribution="kit", version="0", module=plugin, info=info, error=None
    )
    return Plugins((found,), manager), info


def configured(
    found: Plugins, provider: str, accounts: Mapping[str, Mapping[str, Any]]
) -> tuple[Config, Routes]:
    """Configuration and routes with these accounts.

    :raises ConfigError: naming every fault.
    """
    document = {
        "accounts": {
            name: {"provider": provider, **settings} for name, settings in accounts.items()
        }
    }
    config = configuration.parse(document, {})
    return config, routing.build(config, found)


def corner(size: tuple[int, int], which: str = "top left") -> samples.Box:
    """A corner of a quarter of each side: small, and in no way symmetrical."""
    width, height = size[0] // 4, size[1] // 4
    if which == "top left":
        return 0, 0, width, height
    return size[0] - width, size[1] - height, size[0], size[1]


def canonical(value: Any) -> Any:
    """A value as plain data that can be compared: blobs by content, structs by fields."""
    if isinstance(value, Blob):
        return ("blob", value.sha256())
    if isinstance(value, Mask):
        return ("mask", value.alpha().sha256())
    if isinstance(value, Secret):
        return ("secret", value.reveal())
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        return (type(value).__name__, {name: canonical(getattr(value, name)) for name in names})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return (type(value).__name__, {f.name: canonical(getattr(value, f.name)) for f in fields})
    if isinstance(value, Mapping):
        return {name: canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return value


def fingerprint(request: UpstreamRequest) -> dict[str, Any]:
    """All of a request, its body as the bytes that would be sent."""
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": b"".join(request.body.chunks()),
        "content type": request.body.content_type,
        "stream": request.stream,
        "context": canonical(request.context),
    }


def _picture(data: bytes) -> Picture:
    return inspect(Blob(data))
