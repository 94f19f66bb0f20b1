"""The fake of Vertex refuses what it says it refuses."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.fakes.pictures import picture
from tests.fakes.vertex_rules import GoogleRefusal, check_generate, check_predict
from tests.fakes.vertex_upstream import ACCESS_TOKEN, API_KEY, PROJECT, VertexUpstream
from tests.providers.vertex_accounts import saved


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def reference(kind: str, number: int, data: bytes | None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"referenceType": f"REFERENCE_TYPE_{kind}", "referenceId": number}
    if data is not None:
        found["referenceImage"] = {"bytesBase64Encoded": encoded(data), "mimeType": "image/png"}
    return {**found, **more}


def black_and_white(width: int, height: int, white: tuple[int, int, int, int]) -> bytes:
    image = Image.new("L", (width, height), 0)
    image.paste(255, white)
    return saved(image)


USER = {"maskImageConfig": {"maskMode": "MASK_MODE_USER_PROVIDED"}}
RAW = reference("RAW", 1, picture())
MASK = reference("MASK", 2, black_and_white(32, 24, (0, 0, 8, 8)), **USER)


def predict(*references: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    given = {
        "sampleCount": 1,
        "editMode": "EDIT_MODE_INPAINT_INSERTION",
        "includeRaiReason": True,
        **parameters,
    }
    return {"instances": [{"prompt": "x", "referenceImages": references}], "parameters": given}


def test_takes_an_edit() -> None:
    document = predict(RAW, MASK)
    document["instances"][0]["referenceImages"] = [RAW, MASK]
    check_predict(document)


def alpha() -> bytes:
    return saved(Image.new("RGBA", (32, 24), (255, 255, 255, 0)))


REFUSED: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "inverted": (
        [RAW, reference("MASK", 2, black_and_white(32, 24, (8, 0, 32, 24)), **USER)],
        {},
    ),
    "another size": (
        [RAW, reference("MASK", 2, black_and_white(16, 12, (0, 0, 4, 4)), **USER)],
        {},
    ),
    "with alpha": ([RAW, reference("MASK", 2, alpha(), **USER)], {}),
    "two raw": ([RAW, reference("RAW", 3, picture()), MASK], {}),
    "no mask": ([RAW], {}),
    "empty mask": ([RAW, reference("MASK", 2, b"", **USER)], {}),
    "unknown name": ([{**RAW, "reference_typ": 1}, MASK], {}),
    "five samples": ([RAW, MASK], {"sampleCount": 5}),
    "unknown parameter": ([RAW, MASK], {"steps": 5}),
    "seed and watermark": ([RAW, MASK], {"seed": 5}),
    "true as a number": ([RAW, MASK], {"seed": True, "addWatermark": False}),
    "steps in the wrong place": ([RAW, MASK], {"baseSteps": 5}),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(case: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
    references, parameters = case
    document = predict(**parameters)
    document["instances"][0]["referenceImages"] = references
    with pytest.raises(GoogleRefusal):
        check_predict(document)


GENERATE: dict[str, Any] = {
    "contents": [
        {
            "role": "user",
            "parts": [
                {"inlineData": {"mimeType": "image/png", "data": encoded(picture())}},
                {"text": "x"},
            ],
        }
    ],
    "generationConfig": {"responseModalities": ["IMAGE"]},
}


def test_checks_generate() -> None:
    assert [image.size for image in check_generate(GENERATE)] == [(32, 24)]
    lying = copy.deepcopy(GENERATE)
    lying["contents"][0]["parts"][0]["inlineData"]["mimeType"] = "image/jpeg"
    turned = copy.deepcopy(GENERATE)
    turned["contents"][0]["parts"].reverse()
    unknown = {**GENERATE, "mask": "x"}
    for document in (lying, turned, unknown):
        with pytest.raises(GoogleRefusal):
            check_generate(document)


@pytest.fixture(scope="module")
def server() -> Iterator[VertexUpstream]:
    with VertexUpstream() as running:
        yield running


ACCESS: dict[str, tuple[dict[str, str], str, int]] = {
    "token": ({"authorization": f"Bearer {ACCESS_TOKEN}"}, PROJECT, 200),
    "no token": ({}, PROJECT, 401),
    "wrong token": ({"authorization": "Bearer ya29.other"}, PROJECT, 401),
    "key": ({"x-goog-api-key": API_KEY}, PROJECT, 200),
    "wrong key": ({"x-goog-api-key": "AIza-other"}, PROJECT, 401),
    "another project": ({"authorization": f"Bearer {ACCESS_TOKEN}"}, "other", 403),
}


@pytest.mark.parametrize("case", ACCESS.values(), ids=ACCESS.keys())
def test_access(server: VertexUpstream, case: tuple[dict[str, str], str, int]) -> None:
    headers, project, status = case
    url = f"{server.url}/v1/projects/{project}/locations/global/publishers/google/models/gemini-x"
    answer = httpx2.post(f"{url}:generateContent", json=GENERATE, headers=headers)
    assert answer.status_code == status
    assert not server.faults
