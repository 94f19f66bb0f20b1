from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from retouch import errors
from retouch.errors import GatewayError
from retouch.http.app import EDIT_PATHS
from retouch.http.openapi import document
from retouch.types import PARAMETERS
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.pictures import mask, picture
from tests.http.inside import Door, Studio, configuration, door

DOCUMENT = document()
PATHS: dict[str, Any] = DOCUMENT["paths"]
PNG, MASK = picture(8, 8), mask(8, 8)


@pytest.fixture(scope="module")
def opened() -> Iterator[Door]:
    account = {"models": {"all": {"id": "open", "capabilities": {"mask": "may", "markup": True}}}}
    with door(configuration(**account), Studio()) as running:
        yield running


def body_schema(path: str, kind: str) -> dict[str, Any]:
    content: dict[str, Any] = PATHS[path]["post"]["requestBody"]["content"]
    schema: dict[str, Any] = content[kind]["schema"]
    return schema


EDITS = [path for path, operations in PATHS.items() if "post" in operations]


def test_the_served_document_is_this_one(opened: Door) -> None:
    assert opened.http.get("/openapi.json").json() == DOCUMENT
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_described_path_is_served(opened: Door) -> None:
    for path, operations in PATHS.items():
        target = path.replace("{model}", "acc%2Fopen")
        for method in {"get", "post"} & set(operations):
            reply = opened.http.request(method, target)
            # An edit without a body is refused by its type; what is not served is 404 or 405.
            assert reply.status_code == (415 if method == "post" else 200), path


def test_every_served_path_is_described(opened: Door) -> None:
    served = {path.replace("{model:path}", "{model}") for path in EDIT_PATHS}
    assert served == set(EDITS)
    reading = set(PATHS) - served
    assert reading == {"/v1/models", "/v1/images/models", "/healthz", "/readyz", "/openapi.json"}
    for path in reading:
        assert opened.http.post(path).status_code == 405


def test_operations_have_names_of_their_own() -> None:
    names = [
        operation["operationId"]
        for operations in PATHS.values()
        for method, operation in operations.items()
        if method in ("get", "post")
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", EDITS)
def test_every_parameter_is_in_both_bodies(path: str) -> None:
    common = {"model", "prompt", "mask", "markup", "metadata", "extra_headers", *PARAMETERS}
    assert set(body_schema(path, "multipart/form-data")["properties"]) == common | {"image"}
    assert set(body_schema(path, "application/json")["properties"]) == common | {"images"}


def test_bounds_are_those_of_the_decoder() -> None:
    properties = body_schema("/v1/images/edits", "application/json")["properties"]

    def bounds(name: str) -> tuple[Any, Any]:
        (number, *_) = [kind for kind in properties[name]["anyOf"] if kind["type"] == "integer"]
        return number["minimum"], number["maximum"]

    assert bounds("n") == (1, 10)
    assert bounds("output_compression") == (0, 100)
    assert bounds("partial_images") == (0, 3)
    assert bounds("frame_count") == (2, 16)
    assert properties["prompt"]["maxLength"] == 32_000
    assert (properties["images"]["minItems"], properties["images"]["maxItems"]) == (1, 16)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        place: Any = DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            place = place[key]


def made_up(name: str, schema: dict[str, Any]) -> Any:
    """A value that fits a schema, by its keywords alone."""
    kinds = schema.get("anyOf", [schema])
    kind = next(kind for kind in kinds if kind.get("type") != "null")
    if kind["type"] == "integer":
        return kind["minimum"]
    if kind["type"] == "boolean":
        return False
    if kind["type"] == "object" or "object" in kind["type"]:
        return {"x-made": "up"}
    return {"model": "acc/all", "size": "auto"}.get(name, "auto")


def test_a_form_made_from_the_description_is_accepted(opened: Door) -> None:
    schema = body_schema("/v1/images/edits", "multipart/form-data")
    parts = [file("image", PNG), file("mask", MASK)]
    for name, described in schema["properties"].items():
        if name in ("image", "mask", "markup"):
            one = described["items"] if name == "image" else described
            assert one == {"type": "string", "contentMediaType": "image/*"}
            continue
        value = made_up(name, described)
        if isinstance(value, dict):
            parts += [text(f"{name}[{key}]", item) for key, item in value.items()]
        else:
            parts.append(text(name, str(value).lower() if isinstance(value, bool) else str(value)))
    body, kind = encode(*parts)
    reply = opened.http.post("/v1/images/edits", content=body, headers={"content-type": kind})
    assert reply.status_code == 200, reply.text
    check_answer(reply.json())


def test_json_made_from_the_description_is_accepted(opened: Door) -> None:
    schema = body_schema("/v1/images/edits", "application/json")
    inline = {"image_url": "data:image/png;base64," + base64.b64encode(MASK).decode()}
    value: dict[str, Any] = {"images": [inline], "mask": inline}
    for name, described in schema["properties"].items():
        if name not in ("images", "mask", "markup"):
            value[name] = made_up(name, described)
    reply = opened.http.post("/v1/images/edits", json=value)
    assert reply.status_code == 200, reply.text
    check_answer(reply.json())
    for name in schema["required"]:
        without = {key: item for key, item in value.items() if key != name}
        assert opened.http.post("/v1/images/edits", json=without).status_code == 400
    nulls = dict.fromkeys([*PARAMETERS, "metadata", "extra_headers"])
    reply = opened.http.post("/v1/images/edits", json={**value, **nulls})
    assert reply.status_code == 200


def check_answer(value: dict[str, Any]) -> None:
    schema = DOCUMENT["components"]["schemas"]["ImagesResponse"]
    assert set(schema["required"]) <= set(value) <= set(schema["properties"])


def test_every_error_is_described(opened: Door) -> None:
    responses = PATHS["/v1/images/edits"]["post"]["responses"]
    statuses = {str(kind.status) for kind in kinds(GatewayError)} - {"405", "431"}
    assert statuses <= set(responses) - {"200"}
    schema = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]
    reply = opened.http.post("/v1/images/edits", json={})
    assert reply.status_code == 400
    assert set(reply.json()["error"]) == set(schema["required"]) == set(schema["properties"])


def kinds(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    if kind is not errors.UpstreamRefused:
        yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from kinds(child)


def test_what_needs_a_key_says_so() -> None:
    open_paths = {path for path, item in PATHS.items() if item.get("get", {}).get("security") == []}
    assert open_paths == {"/healthz", "/readyz", "/openapi.json"}
    for path in EDITS:
        assert "401" in PATHS[path]["post"]["responses"]


def test_the_document_names_nothing_of_this_machine() -> None:
    shown = json.dumps(DOCUMENT)
    assert not re.search(r"acc|studio|/home|/work|127\.0\.0\.1", shown.replace("account", ""))
