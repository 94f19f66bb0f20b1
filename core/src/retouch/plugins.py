"""Find plugins through their entry points, load each on its own, and freeze the result.

pluggy's loader is not used: it stops at the first plugin that fails to import and skips a
second plugin of the same name without a word. Here a plugin that fails is reported and is
fatal only for the accounts that need it, while two of one name are always fatal.
"""

from __future__ import annotations

import difflib
import inspect
import os
from importlib import metadata
from typing import Any

import msgspec
import pluggy

from retouch import defaults, hookspecs
from retouch.dispatch import ProviderHooks
from retouch.models import ProviderInfo

_SYNC_HOOKS = frozenset(
    {"provider_info", "validate", "translate_request", "translate_response", "around_edit"}
)


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """One entry point: what it gave, or why it failed.

    :param info: ``None`` for a cross-cutting plugin and for one that failed.
    """

    name: str
    distribution: str
    version: str
    module: Any = None
    info: ProviderInfo | None = None
    error: str | None = None


class PluginError(Exception):
    """The set of installed plugins cannot be used."""


class Plugins:
    """The loaded plugins. Nothing can be added after it was made."""

    def __init__(self, found: tuple[Plugin, ...], manager: pluggy.PluginManager) -> None:
        self.found = found
        self.providers = {plugin.name: plugin for plugin in found if plugin.info is not None}
        self._manager = manager

    def failed(self, name: str) -> str | None:
        """Why the plugin of this name did not load; ``None`` if there is none of the name."""
        return next((plugin.error for plugin in self.found if plugin.name == name), None)

    def hooks(self, provider: str) -> ProviderHooks:
        """The hooks of one provider together with every cross-cutting plugin."""
        others = [plugin.module for plugin in self.providers.values() if plugin.name != provider]
        return ProviderHooks(self._manager, others, provider)


def load(enabled: tuple[str, ...] | None = None) -> Plugins:
    """Load the installed plugins, or only those named in ``enabled``.

    The environment variable ``RETOUCH_PLUGINS`` (names with commas) narrows it further.

    :raises PluginError: for two plugins of one name.
    """
    allowed = _allowed(enabled)
    points = sorted(
        metadata.entry_points(group=hookspecs.PROJECT),
        key=lambda point: (_distribution(point)[0], point.name),
    )
    points = [point for point in points if allowed is None or point.name in allowed]
    _refuse_duplicates(points)
    manager = new_manager()
    return Plugins(tuple(_load_one(manager, point) for point in points), manager)


def new_manager() -> pluggy.PluginManager:
    """A plugin manager with the hook specs and the core's default hooks."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(defaults, "retouch.defaults")
    return manager


def register(manager: pluggy.PluginManager, name: str, module: Any) -> ProviderInfo | None:
    """Register one plugin and ask what it is.

    :raises PluginError: for a misspelt hook, a wrong colour, or a name that differs.
    """
    try:
        manager.register(module, name)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginError(" ".join(str(error).split())) from error
    if not manager.get_hookcallers(module):
        raise PluginError("it implements no hook; is `@hookimpl` missing?")
    _refuse_unknown_hooks(manager, module)
    _refuse_wrong_colours(manager, module)
    implementation = getattr(module, "provider_info", None)
    if implementation is None:
        return None
    info = implementation()
    if not isinstance(info, ProviderInfo):
        raise PluginError("provider_info() must return a ProviderInfo")
    if info.name != name:
        raise PluginError(f"provider_info() says `{info.name}`, the entry point says `{name}`")
    return info


def _load_one(manager: pluggy.PluginManager, point: metadata.EntryPoint) -> Plugin:
    distribution, version = _distribution(point)
    module = None
    try:
        module = point.load()
        info = register(manager, point.name, module)
    except Exception as error:
        if module is not None and manager.get_plugin(point.name) is module:
            manager.unregister(module)
        reason = str(error) if isinstance(error, PluginError) else _reason(error)
        return Plugin(name=point.name, distribution=distribution, version=version, error=reason)
    return Plugin(
        name=point.name, distribution=distribution, version=version, module=module, info=info
    )


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _refuse_unknown_hooks(manager: pluggy.PluginManager, module: Any) -> None:
    known = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction)]
    for caller in manager.get_hookcallers(module) or []:
        if not caller.has_spec():
            close = difflib.get_close_matches(caller.name, known, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise PluginError(f"there is no hook `{caller.name}`{hint}")


def _refuse_wrong_colours(manager: pluggy.PluginManager, module: Any) -> None:
    """Nobody awaits a sync hook: an ``async def validate`` would refuse nothing, silently."""
    for caller in manager.get_hookcallers(module) or []:
        for function in (impl.function for impl in caller.get_hookimpls() if impl.plugin is module):
            coroutine = inspect.iscoroutinefunction(function)
            generator = inspect.isasyncgenfunction(function)
            if caller.name in _SYNC_HOOKS and (coroutine or generator):
                raise PluginError(f"`{caller.name}` must be `def`, not `async def`")
            if caller.name == "translate_stream" and coroutine:
                raise PluginError("`translate_stream` must be an async generator, with `yield`")
            if caller.name == "call" and generator:
                raise PluginError("`call` must return the response, not `yield` it")


def _allowed(enabled: tuple[str, ...] | None) -> set[str] | None:
    narrowed = os.environ.get("RETOUCH_PLUGINS")
    if narrowed is None:
        return None if enabled is None else set(enabled)
    names = {name.strip() for name in narrowed.split(",")}
    return names if enabled is None else names & set(enabled)


def _refuse_duplicates(points: list[metadata.EntryPoint]) -> None:
    seen: dict[str, str] = {}
    for point in points:
        distribution, _ = _distribution(point)
        if point.name in seen:
            raise PluginError(
                f"two plugins are called `{point.name}`: one from {seen[point.name]}, one from "
                f"{distribution}; uninstall one of them"
            )
        seen[point.name] = distribution


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    if point.dist is None:
        return "?", "?"
    return point.dist.name, point.dist.version
