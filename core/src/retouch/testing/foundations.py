"""What must be right before anything else can be tried: hooks, description, settings, options.

Each function returns its findings as sentences for the plugin's author.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from retouch import config as configuration
from retouch import hookspecs, plugins, routing
from retouch.config import AccountCommon, ConfigError
from retouch.models import ProviderInfo
from retouch.plugins import PluginError
from retouch.routing import Caller
from retouch.testing.subject import ACCOUNT, configured, registered
from retouch.types import PARAMETERS, Secret

if TYPE_CHECKING:
    from retouch.testing.declared import Declared

#: Where the loopback upstream would be, for settings that are only decoded.
SOMEWHERE = "http://127.0.0.1:9"

_NEEDED_HOOKS = ("provider_info", "translate_request", "translate_response")
_HOOKS = tuple(name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction))
#: Request fields that never get as far as a plugin's options.
_TAKEN_FIELDS = frozenset(
    {*PARAMETERS, "model", "prompt", "image", "images", "mask", "markup"}
    | {"metadata", "extra_headers", "retouch"}
)
#: Settings that are credentials by their name.
_CREDENTIAL = re.compile(r"(^|_)(key|token|secret|password|credentials?)$")


def of(declared: type[Declared]) -> Iterator[tuple[str, list[str]]]:
    """The foundations in order: the test that reports each, and what is wrong with it.

    A finding ends the iteration, since what follows builds on it.
    """
    checks: tuple[tuple[str, Callable[[type[Declared]], list[str]]], ...] = (
        ("test_hooks_match_the_specs", hook_problems),
        ("test_provider_info_is_complete", info_problems),
        ("test_the_settings_are_accepted", settings_problems),
        ("test_the_options_can_all_be_left_out", option_problems),
    )
    for name, check in checks:
        problems = check(declared)
        yield name, problems
        if problems:
            return


def hook_problems(declared: type[Declared]) -> list[str]:
    """Misspelt, unmarked, missing and wrongly coloured hooks."""
    plugin = declared.plugin
    problems = [
        f"`{name}` is not marked with @hookimpl, so that it is never called"
        for name in _HOOKS
        if callable(found := getattr(plugin, name, None)) and not _is_marked(found)
    ]
    problems += [
        f"there is no hook `{name}`; every provider needs it"
        for name in _NEEDED_HOOKS
        if not hasattr(plugin, name)
    ]
    try:
        registered(plugin)
    except PluginError as error:
        # The description has a test of its own.
        problems += [] if "provider_info()" in str(error) else [str(error)]
    except Exception as error:
        problems.append(f"provider_info() raised {type(error).__name__}: {error}")
    return problems or _colour_problems(plugin)


def info_problems(declared: type[Declared]) -> list[str]:
    """An incomplete or contradictory ``ProviderInfo``."""
    info = declared.plugin.provider_info()
    if not isinstance(info, ProviderInfo):
        return ["provider_info() must return a ProviderInfo"]
    problems = []
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", info.name):
        problems.append(f"the name `{info.name}` must be lower case letters, digits, - and _")
    if not (isinstance(info.settings, type) and issubclass(info.settings, msgspec.Struct)):
        return [*problems, "`settings` must be a class derived from msgspec.Struct"]
    ids = [model.id for model in info.models]
    problems += [f"the model `{one}` stands there twice" for one in set(ids) if ids.count(one) > 1]
    if declared.model not in ids and info.default is None:
        problems.append(
            f"`model` of this test, `{declared.model}`, is none of its models ({', '.join(ids)})"
        )
    problems += [
        f"the shutdown date of `{model.id}` is not YYYY-MM-DD"
        for model in info.models
        if model.shutdown is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", model.shutdown)
    ]
    if info != declared.plugin.provider_info():
        problems.append("provider_info() gives another result when it is called again")
    return problems


def settings_problems(declared: type[Declared]) -> list[str]:
    """Settings that the configuration refuses, or that could never be set."""
    found, info = registered(declared.plugin)
    names = {field.encode_name for field in msgspec.structs.fields(info.settings)}
    problems = [
        f"the setting `{name}` has the name of a key that every account has"
        for name in sorted(names & set(AccountCommon.__struct_fields__))
    ]
    address = declared.base_url_setting
    if address is not None and declared.account(SOMEWHERE) == {**declared.settings}:
        problems.append(f'`base_url_setting = "{address}"` changes nothing in the settings')
    try:
        _, routes = configured(found, info.name, {ACCOUNT: declared.account(SOMEWHERE)})
        routes.resolve(f"{ACCOUNT}/{declared.model}", Caller())
    except ConfigError as error:
        problems += [str(fault) for fault in error.faults]
    return problems


def option_problems(declared: type[Declared]) -> list[str]:
    """Options that a request would have to send, or that could never reach the plugin."""
    kind = declared.plugin.provider_info().options
    if kind is None:
        return []
    fields = msgspec.structs.fields(kind)
    problems = [
        f"the option `{field.encode_name}` has no default; every option must have one, since a "
        "client of another provider does not send it"
        for field in fields
        if field.required
    ]
    problems += [
        f"the option `{field.encode_name}` has the name of a field of OpenAI's or of the "
        "gateway's own, so that it never reaches the plugin"
        for field in fields
        if field.encode_name in _TAKEN_FIELDS
    ]
    return problems


def credentials_in_the_open(settings: msgspec.Struct, path: str = "") -> Iterator[tuple[str, Any]]:
    """Settings that are credentials by their name but not by their type, with their values."""
    for field in msgspec.structs.fields(settings):
        name, value = f"{path}{field.encode_name}", getattr(settings, field.name)
        if isinstance(value, msgspec.Struct):
            yield from credentials_in_the_open(value, f"{name}.")
        elif _CREDENTIAL.search(field.encode_name) and _may_be_text(field.type):
            yield name, value


def refused(declared: type[Declared], settings: dict[str, Any]) -> list[str]:
    """What the core says to an account with these settings: its faults, none if it is fine."""
    found, info = registered(declared.plugin)
    document = {"accounts": {ACCOUNT: {"provider": info.name, **settings}}}
    try:
        routing.build(configuration.parse(document, {}), found)
    except ConfigError as error:
        return [str(fault) for fault in error.faults]
    return []


def _is_marked(function: Any) -> bool:
    return hasattr(function, f"{hookspecs.PROJECT}_impl")


def _colour_problems(plugin: Any) -> list[str]:
    manager = plugins.new_manager()
    manager.register(plugin, "plugin")
    problems: list[str] = []
    for caller in manager.get_hookcallers(plugin) or []:
        for implementation in caller.get_hookimpls():
            if implementation.plugin is plugin and not implementation.wrapper:
                problems += _wrong_colour(caller.name, implementation.function)
                problems += _foreign(plugin, caller.name, implementation.function)
    return problems


def _wrong_colour(name: str, function: Any) -> Iterator[str]:
    """What the core's own check lets through, since it might work."""
    if name == "call" and not inspect.iscoroutinefunction(function):
        yield "`call` must be `async def`"
    elif name == "translate_stream" and not inspect.isasyncgenfunction(function):
        yield "`translate_stream` must be `async def` with `yield`"
    elif inspect.isgeneratorfunction(function):
        yield f"`{name}` must return its result, not `yield` it"


def _foreign(plugin: Any, name: str, function: Any) -> Iterator[str]:
    own = getattr(plugin, "__name__", "")
    module = getattr(function, "__module__", own)
    if inspect.ismodule(plugin) and module != own and not module.startswith(f"{own}."):
        yield f"`{name}` was imported from `{module}`, which makes it a hook of this plugin too"


def _may_be_text(kind: Any) -> bool:
    try:
        msgspec.convert("text", kind)
    except (msgspec.ValidationError, TypeError):
        return False
    return "Secret" not in str(kind) and kind is not Secret
