"""From the ``model`` of a request, ``<account>/<model>``, to the account and its plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from retouch.capabilities import Capabilities
from retouch.config import AccountConfig, Config, ConfigError, secret_hook
from retouch.decoding import Fault, decode_struct
from retouch.dispatch import ProviderHooks
from retouch.errors import InvalidRequest, UnknownModel
from retouch.models import ModelInfo, ProviderInfo, overridden
from retouch.plugins import Plugins
from retouch.types import Account


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the name of a gateway key and the accounts it may use (``None``: all)."""

    name: str = "anonymous"
    accounts: frozenset[str] | None = None

    def may_use(self, account: str) -> bool:
        """Whether this key reaches the account."""
        return self.accounts is None or account in self.accounts


class Target(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One account, ready to be used."""

    account: Account
    info: ProviderInfo
    hooks: ProviderHooks
    drop_params: bool = False
    extra_fields: str | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Where one edit goes."""

    target: Target
    name: str
    model: ModelInfo


class Routes:
    """All accounts of a configuration, by name."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = targets

    def resolve(self, name: str, caller: Caller) -> Route:
        """The route of ``<account>/<model>``.

        :raises InvalidRequest: when no model was named.
        :raises UnknownModel: for an account that does not exist or that the caller may not
            use (the two cannot be told apart), and for a model that the account does not have.
        """
        if not name:
            raise InvalidRequest(
                "Missing required parameter: `model`, as account/model.",
                param="model",
                code="missing_required_parameter",
            )
        account, _, model = name.partition("/")
        target = self._targets.get(account)
        if target is None or not model or not caller.may_use(account):
            raise UnknownModel(
                f"The model `{_shown(name)}` does not exist or you do not have access to it. "
                "Models are named account/model; GET /v1/models lists them.",
                param="model",
            )
        # What has a name of the configuration's own is the same model by its id.
        known = target.account.models.get(model) or target.account.with_id(model)
        if known is None and target.info.default is not None:
            known = ModelInfo(id=model, capabilities=target.info.default)
        if known is None:
            raise UnknownModel(
                f"The account `{account}` has no model `{_shown(model)}`. GET /v1/models lists "
                "what there is.",
                param="model",
            )
        return Route(target=target, name=name, model=known)

    def targets(self) -> list[Target]:
        """Every account, in the order of the configuration."""
        return list(self._targets.values())

    def models(self, caller: Caller) -> Iterator[tuple[str, Target, ModelInfo]]:
        """Every listed model that the caller may use, with its full name."""
        for name, target in self._targets.items():
            if caller.may_use(name):
                for public, model in target.account.models.items():
                    yield f"{name}/{public}", target, model


def build(config: Config, plugins: Plugins) -> Routes:
    """The routes of a configuration.

    :raises ConfigError: naming every account that its plugin cannot serve.
    """
    faults: list[Fault] = []
    targets: dict[str, Target] = {}
    for name, account in config.accounts.items():
        target = _target(account, plugins)
        if isinstance(target, list):
            faults += target
        else:
            targets[name] = target
    if faults:
        raise ConfigError(faults)
    return Routes(targets)


def _target(account: AccountConfig, plugins: Plugins) -> Target | list[Fault]:
    path, provider = f"accounts.{account.name}", account.common.provider
    plugin = plugins.providers.get(provider)
    if plugin is None or plugin.info is None:
        return [Fault(f"{path}.provider", _why_missing(provider, plugins))]
    settings: Any = decode_struct(
        account.settings, plugin.info.settings, path=path, dec_hook=secret_hook
    )
    faults: list[Fault] = settings if isinstance(settings, list) else []
    models = _models(account, plugin.info, faults)
    if faults:
        return faults
    return Target(
        account=Account(name=account.name, provider=provider, settings=settings, models=models),
        info=plugin.info,
        hooks=plugins.hooks(provider),
        drop_params=account.common.drop_params,
        extra_fields=account.common.extra_fields,
    )


def _models(
    account: AccountConfig, info: ProviderInfo, faults: list[Fault]
) -> dict[str, ModelInfo]:
    """The plugin's models by id, and the configuration's own names on top."""
    known = {model.id: model for model in info.models}
    models = dict(known)
    for name, table in account.common.models.items():
        path = f"accounts.{account.name}.models.{name}"
        base = _base(name, table, info)
        model = decode_struct(overridden(base, table), ModelInfo, path=path)
        if isinstance(model, list):
            faults += model
        else:
            models[name] = model
    return models


def _base(name: str, table: Mapping[str, Any], info: ProviderInfo) -> ModelInfo:
    """What a name of the configuration's own starts from.

    The plugin's model of that id, or of that name where the id is the user's own (an Azure
    deployment, a Bedrock profile); else what the models of its ``family`` have in common.
    """
    upstream = str(table.get("id", name))
    listed = {model.id: model for model in info.models}
    if known := listed.get(upstream) or listed.get(name):
        return msgspec.structs.replace(known, id=upstream)
    kin = [model for model in info.models if model.family and model.family == table.get("family")]
    if not kin:
        return ModelInfo(id=upstream, capabilities=info.default or Capabilities())
    price = kin[0].price if all(model.price == kin[0].price for model in kin) else None
    return ModelInfo(id=upstream, capabilities=kin[0].capabilities, price=price)


def _why_missing(provider: str, plugins: Plugins) -> str:
    if failure := plugins.failed(provider):
        return f"the plugin `{provider}` did not load: {failure}"
    installed = ", ".join(sorted(plugins.providers)) or "none"
    return f"no plugin provides `{provider}` (installed: {installed})"


def _shown(name: str) -> str:
    """A client's text, short and on one line, for an error message."""
    return "".join(c if c.isprintable() and c != "`" else "?" for c in name[:100])
