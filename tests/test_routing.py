from __future__ import annotations

from typing import Any

import msgspec
import pytest

from retouch import Capabilities, ModelInfo, ProviderInfo, hookimpl
from retouch.config import ConfigError, parse
from retouch.errors import InvalidRequest, UnknownModel
from retouch.pricing import Price
from retouch.routing import Caller, Route, Routes, build
from tests.http.inside import MODELS, Settings, Studio, configuration, loaded, routes

ALL = Caller()
DEFAULT = Capabilities(max_images=7)


class Open(Studio):
    """A provider that also takes ids that it does not list."""

    @hookimpl
    def provider_info(self) -> ProviderInfo:
        models = (ModelInfo(id="listed", family="f", price=Price(per_image=1.0)),)
        return ProviderInfo(name="studio", settings=Settings, models=models, default=DEFAULT)


def resolve(name: str, caller: Caller = ALL, **account: Any) -> Route:
    return routes(configuration(**account), Studio()).resolve(name, caller)


def faults(document: dict[str, Any], *modules: Any) -> list[str]:
    with pytest.raises(ConfigError) as wrong:
        build(parse(document, {}), loaded(*modules))
    return [str(fault) for fault in wrong.value.faults]


def test_account_and_model() -> None:
    route = resolve("acc/rich")
    assert (route.name, route.model.id) == ("acc/rich", "rich")
    assert route.model.capabilities == MODELS["rich"]
    assert route.target.account.name == "acc"
    assert route.target.account.settings == Settings()
    assert route.target.hooks.provider == "studio"


@pytest.mark.parametrize(
    "name",
    [
        "acc",
        "acc/",
        "/rich",
        "rich",
        "nobody/rich",
        "ACC/rich",
        " acc/rich",
        "acc//rich",
        "acc\\rich",
    ],
)
def test_names_that_lead_nowhere(name: str) -> None:
    with pytest.raises(UnknownModel) as unknown:
        resolve(name)
    assert (unknown.value.status, unknown.value.code) == (404, "model_not_found")
    assert unknown.value.param == "model"


def test_no_name_at_all() -> None:
    with pytest.raises(InvalidRequest) as missing:
        resolve("")
    assert (missing.value.status, missing.value.code) == (400, "missing_required_parameter")


@pytest.mark.parametrize("model", ["none", "rich ", "RICH", "rich/x", "../rich", "none\n\0`x`"])
def test_models_that_a_closed_provider_does_not_have(model: str) -> None:
    with pytest.raises(UnknownModel) as unknown:
        resolve(f"acc/{model}")
    message = unknown.value.message
    assert message.isprintable()
    assert message.count("`") == 4


def test_long_names_are_cut_in_messages() -> None:
    for name in ("x" * 10_000, "acc/" + "x" * 10_000):
        with pytest.raises(UnknownModel) as unknown:
            resolve(name)
        assert len(unknown.value.message) < 300


def test_an_account_of_others_looks_like_none() -> None:
    """Word for word, or a key could be used to find out which accounts there are."""
    caller = Caller("team", frozenset({"other"}))
    messages = []
    for name in ("acc/rich", "xyz/rich"):
        with pytest.raises(UnknownModel) as unknown:
            resolve(name, caller)
        messages.append(unknown.value.message.replace("acc/", "xyz/"))
    assert messages[0] == messages[1]
    assert resolve("acc/rich", Caller("team", frozenset({"acc"}))).model.id == "rich"


def test_an_open_provider_takes_any_id() -> None:
    found = routes(configuration(), Open())
    route = found.resolve("acc/brand-new/v2", ALL)
    assert (route.model.id, route.model.capabilities) == ("brand-new/v2", DEFAULT)
    assert route.model.price is None
    assert found.resolve("acc/listed", ALL).model.price == Price(per_image=1.0)
    assert [name for name, _, _ in found.models(ALL)] == ["acc/listed"]


def test_names_of_the_configurations_own() -> None:
    models = {
        "pretty": {"id": "rich"},
        "rich": {"price": {"per_image": 0.5}},
        "mine": {"id": "us.vendor.model-v1:0", "capabilities": {"max_images": 3}},
    }
    found = routes(configuration(models=models), Studio())
    pretty, rich = found.resolve("acc/pretty", ALL).model, found.resolve("acc/rich", ALL).model
    assert (pretty.id, pretty.capabilities) == ("rich", MODELS["rich"])
    assert (rich.id, rich.price) == ("rich", Price(per_image=0.5))
    mine = found.resolve("acc/mine", ALL).model
    assert (mine.id, mine.capabilities) == ("us.vendor.model-v1:0", Capabilities(max_images=3))
    listed = [name for name, _, _ in found.models(ALL)]
    assert listed == [f"acc/{name}" for name in [*MODELS, "pretty", "mine"]]


def test_a_name_of_ones_own_at_an_open_provider() -> None:
    models = {"mine": {"id": "brand-new"}, "kin": {"id": "brand-newer", "family": "f"}}
    found = routes(configuration(models=models), Open())
    assert found.resolve("acc/mine", ALL).model.capabilities == DEFAULT
    assert found.resolve("acc/kin", ALL).model.price == Price(per_image=1.0)


def test_a_caller_sees_the_models_of_its_accounts() -> None:
    document = {"accounts": {name: {"provider": "studio"} for name in ("one", "two")}}
    found: Routes = build(parse(document, {}), loaded(Studio()))
    assert {target.account.name for target in found.targets()} == {"one", "two"}
    names = {name for name, _, _ in found.models(Caller("t", frozenset({"two"})))}
    assert names == {f"two/{name}" for name in MODELS}
    assert list(found.models(Caller("t", frozenset()))) == []


def test_faults_of_all_accounts_are_named_at_once() -> None:
    document = {
        "accounts": {
            "a": {"provider": "studio", "api_kee": "x", "region": 5},
            "b": {"provider": "nobody"},
            "c": {
                "provider": "studio",
                "api_key": ["x"],
                "models": {
                    "m": {"prize": {}, "capabilities": {"max_image": 1, "mask": "perhaps"}},
                    "n": {"id": ["x"]},
                    "o": {"capabilities": 5, "shutdown": "tomorrow", "price": {"per_image": "x"}},
                },
            },
        }
    }
    assert set(faults(document, Studio())) == {
        "accounts.a.api_kee: unknown key; did you mean `api_key`?",
        "accounts.a.region: must be text",
        "accounts.b.provider: no plugin provides `nobody` (installed: studio)",
        "accounts.c.api_key: must be text",
        "accounts.c.models.m.prize: unknown key; did you mean `price`?",
        "accounts.c.models.m.capabilities.max_image: unknown key; did you mean `max_images`?",
        "accounts.c.models.m.capabilities.mask: must be one of may, must, never",
        "accounts.c.models.n.id: must be text",
        "accounts.c.models.o.capabilities: must be an object",
        "accounts.c.models.o.shutdown: must be a date, YYYY-MM-DD",
        "accounts.c.models.o.price.per_image: must be a number",
    }


def test_a_secret_of_the_wrong_kind_is_not_repeated() -> None:
    document = {"accounts": {"a": {"provider": "studio", "api_key": ["canary-secret"]}}}
    assert not any("canary" in fault for fault in faults(document, Studio()))


def test_without_any_plugin() -> None:
    document = {"accounts": {"a": {"provider": "studio"}}}
    assert faults(document) == [
        "accounts.a.provider: no plugin provides `studio` (installed: none)"
    ]


def test_routes_show_no_credentials() -> None:
    route = resolve("acc/rich", api_key="canary-secret")
    for shown in (repr(route), repr(route.target), repr(route.target.account)):
        assert "canary-secret" not in shown
    assert msgspec.structs.asdict(route.target.account)["name"] == "acc"
