from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import openai
import pytest

from retouch.capabilities import Capabilities
from retouch.http.auth import new_key
from tests.http.inside import MODELS, Door, Studio, configuration, door

KEY, DIGEST = new_key()
OTHER, OTHER_DIGEST = new_key()
OWN = {"pretty": {"id": "rich", "shutdown": "2026-12-01", "price": {"per_image": 0.04}}}


@pytest.fixture(scope="module")
def opened() -> Iterator[Door]:
    with door(configuration(models=OWN), Studio()) as running:
        yield running


@pytest.fixture(scope="module")
def locked() -> Iterator[Door]:
    keys = [
        {"name": "all", "sha256": DIGEST},
        {"name": "nothing", "sha256": OTHER_DIGEST, "accounts": []},
    ]
    with door(configuration(keys=keys), Studio()) as running:
        yield running


def get(door: Door, path: str, key: str = "") -> Any:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    reply = door.http.get(path, headers=headers)
    assert reply.status_code == 200
    return reply.json()


def test_health(opened: Door) -> None:
    assert get(opened, "/healthz") == {"status": "ok"}
    assert get(opened, "/readyz") == {"status": "ready"}


def test_models_as_the_sdk_reads_them(opened: Door) -> None:
    with openai.OpenAI(base_url=f"{opened.url}/v1", api_key="x") as sdk:
        models = list(sdk.models.list())
    assert [model.id for model in models] == [f"acc/{name}" for name in [*MODELS, "pretty"]]
    assert {model.object for model in models} == {"model"}
    assert {model.owned_by for model in models} == {"studio"}
    assert all(model.created > 1_700_000_000 for model in models)
    dates = {model.id: model.model_extra or vars(model) for model in models}
    assert get(opened, "/v1/models")["data"][-1]["shutdown_date"] == "2026-12-01"
    assert set(dates) == {model.id for model in models}


def test_capabilities(opened: Door) -> None:
    models = {model["id"]: model for model in get(opened, "/v1/images/models")["data"]}
    assert len(models) == len(MODELS) + 1
    for name, can in MODELS.items():
        described = models[f"acc/{name}"]["capabilities"]
        assert msgspec.convert(described, Capabilities) == can
    pretty = models["acc/pretty"]
    assert pretty["price"]["per_image"] == 0.04
    assert pretty["capabilities"]["mask"] == "may"
    assert models["acc/plain"]["price"] is None


def test_options_are_described_by_a_schema(opened: Door) -> None:
    (plain, *_) = get(opened, "/v1/images/models")["data"]
    schema = plain["options"]
    (options,) = schema["$defs"].values()
    assert set(options["properties"]) == {"seed", "strength", "classes", "flag"}


def test_a_key_sees_its_own_accounts_only(locked: Door) -> None:
    for path in ("/v1/models", "/v1/images/models"):
        assert len(get(locked, path, KEY)["data"]) == len(MODELS)
        assert get(locked, path, OTHER)["data"] == []


def test_no_credential_and_no_setting_is_shown(opened: Door) -> None:
    for path in ("/v1/models", "/v1/images/models", "/openapi.json", "/readyz", "/healthz"):
        shown = opened.http.get(path).text
        assert "studio-key" not in shown
        assert "region" not in shown
