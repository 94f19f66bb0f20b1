"""What the kit says to an author whose plugin cannot even be loaded."""

from __future__ import annotations

import types
from typing import Any, Literal

import msgspec
import pytest

from retouch import (
    BaseUrl,
    ModelInfo,
    ProviderInfo,
    Secret,
    UpstreamRequest,
    errors,
    hookimpl,
)
from retouch.testing import ProviderContract, foundations


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    api_key: Secret
    base_url: BaseUrl = "https://provider.example"


@hookimpl
def translate_request(edit: Any) -> UpstreamRequest:
    return UpstreamRequest(method="POST", url="")


@hookimpl
def translate_response(response: Any) -> Any:
    raise errors.from_upstream(response)


def plugin(*, info: Any = None, without: str = "", **more: Any) -> Any:
    """A plugin with the three hooks that each needs, and ``more``."""
    described = info or ProviderInfo(name="kit", settings=Settings, models=(ModelInfo(id="m"),))

    @hookimpl
    def provider_info() -> Any:
        return described

    hooks = {
        "provider_info": provider_info,
        "translate_request": translate_request,
        "translate_response": translate_response,
        **more,
    }
    # Of this name, since a hook that comes from another module is a finding of its own.
    module = types.ModuleType(__name__)
    vars(module).update({name: hook for name, hook in hooks.items() if name != without})
    return module


def declared(plugin: Any, **attributes: Any) -> type[ProviderContract]:
    return type(
        "TestIt",
        (ProviderContract,),
        {"plugin": plugin, "model": "m", "settings": {"api_key": "k" * 12}, **attributes},
    )


def findings(plugin: Any, **attributes: Any) -> str:
    return "\n".join(
        problem
        for _, problems in foundations.of(declared(plugin, **attributes))
        for problem in problems
    )


def of_info(**changes: Any) -> Any:
    info = ProviderInfo(name="kit", settings=Settings, models=(ModelInfo(id="m"),))
    return plugin(info=msgspec.structs.replace(info, **changes))


def unmarked(edit: Any) -> None: ...


async def coroutine(edit: Any) -> None: ...


def sync(request: Any) -> None: ...


def generator(edit: Any) -> Any:
    yield edit


def unknown_argument(edit: Any, prompt: Any) -> None: ...


def test_a_sound_plugin_has_no_findings() -> None:
    assert findings(plugin()) == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            plugin(translate_respones=hookimpl(lambda: None), without="translate_response"),
            "did you mean `translate_response`?",
        ),
        (plugin(without="translate_request"), "there is no hook `translate_request`"),
        (plugin(validate=unmarked), "`validate` is not marked with @hookimpl"),
        (
            plugin(validate=hookimpl(coroutine)),
            "`validate` must be `def`",
        ),
        (
            plugin(call=hookimpl(sync)),
            "`call` must be `async def`",
        ),
        (plugin(translate_stream=hookimpl(generator)), "`translate_stream` must be `async def`"),
        (plugin(validate=hookimpl(generator)), "`validate` must return its result"),
        (plugin(validate=hookimpl(unknown_argument)), "prompt"),
        (plugin(info="text"), "provider_info() must return a ProviderInfo"),
        (of_info(name="Kit!"), "the name `Kit!` must be lower case"),
        (of_info(models=(ModelInfo(id="m"),) * 2), "the model `m` stands there twice"),
        (of_info(models=()), "`model` of this test, `m`, is none of its models"),
        (of_info(models=(ModelInfo(id="m", shutdown="May"),)), "`m` is not YYYY-MM-DD"),
    ],
)
def test_what_is_said(changed: Any, said: str) -> None:
    assert said in findings(changed)


def test_settings_that_the_configuration_refuses_are_named() -> None:
    said = findings(plugin(), settings={"api_kee": "k"})
    assert "accounts.kit-account-canary.api_kee: unknown key" in said
    assert "accounts.kit-account-canary.api_key: is missing" in said


def test_a_base_url_setting_that_does_not_exist_is_named() -> None:
    assert "endpoint" in findings(plugin(), base_url_setting="endpoint")


class Clashing(msgspec.Struct):
    api_key: Secret
    base_url: str
    models: int = 1


def test_settings_may_not_take_the_names_of_every_account() -> None:
    said = findings(of_info(settings=Clashing))
    assert "the setting `models` has the name of a key that every account has" in said


class Options(msgspec.Struct, kw_only=True):
    style: Literal["a", "b"]
    quality: str | None = None


def test_options_need_defaults_and_names_of_their_own() -> None:
    said = findings(of_info(options=Options))
    assert "the option `style` has no default" in said
    assert "the option `quality` has the name of a field of OpenAI's" in said


class Entra(msgspec.Struct):
    client_secret: str
    tenant_id: str


class Open(msgspec.Struct):
    api_key: str
    token: Secret
    access_key_id: str
    token_url: str
    entra: Entra
    key: int = 5
    password: str | None = None


def test_credentials_in_the_open() -> None:
    settings = Open("a", Secret("b"), "c", "d", Entra("e", "f"))
    assert list(foundations.credentials_in_the_open(settings)) == [
        ("api_key", "a"),
        ("entra.client_secret", "e"),
        ("password", None),
    ]


def helper() -> None: ...


def test_hooks_of_other_modules_are_named() -> None:
    foreign = types.FunctionType(helper.__code__, {"__name__": "another_plugin"})
    said = findings(plugin(around_edit=hookimpl(foreign)))
    assert "`around_edit` was imported from `another_plugin`" in said
