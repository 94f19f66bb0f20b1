"""Imagen through the front door: the program, the OpenAI SDK, a strict fake of Google."""

from __future__ import annotations

import base64
import io
from typing import Any

import openai
import pytest
from PIL import Image

from tests.fakes.pictures import opened, picture
from tests.fakes.vertex_upstream import ACCESS_TOKEN, VertexUpstream
from tests.providers.vertex_accounts import (
    IMAGEN,
    JPEG,
    PNG,
    PREFIX,
    decoded,
    edit,
    hole,
    post_json,
    saved,
)


def references(google: VertexUpstream) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = google.only().document["instances"][0]["referenceImages"]
    return found


def test_imagen_without_a_mask(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    answer = edit(sdk, IMAGEN)
    assert decoded(answer).format == "PNG"
    assert (answer.provider, answer.cost, answer.size) == ("vertex", 0.04, "24x16")
    sent = google.only()
    assert sent.path == f"{PREFIX}/us-central1/publishers/google/models/{IMAGEN}:predict"
    assert sent.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"
    assert sent.headers["x-goog-user-project"] == "who-pays"
    assert sent.document == {
        "instances": [
            {
                "prompt": "A red hat.",
                "referenceImages": [
                    {
                        "referenceType": "REFERENCE_TYPE_RAW",
                        "referenceId": 1,
                        "referenceImage": {
                            "bytesBase64Encoded": base64.b64encode(PNG).decode(),
                            "mimeType": "image/png",
                        },
                    }
                ],
            }
        ],
        "parameters": {
            "sampleCount": 1,
            "editMode": "EDIT_MODE_DEFAULT",
            "includeRaiReason": True,
        },
    }


def test_imagens_mask_is_white_where_the_client_s_is_transparent(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    edit(sdk, IMAGEN, mask=hole())
    raw, sent = references(google)
    assert raw["referenceType"] == "REFERENCE_TYPE_RAW"
    assert (sent["referenceType"], sent["referenceId"]) == ("REFERENCE_TYPE_MASK", 2)
    assert sent["maskImageConfig"] == {"maskMode": "MASK_MODE_USER_PROVIDED"}
    image = opened(base64.b64decode(sent["referenceImage"]["bytesBase64Encoded"]))
    assert image.size == (32, 24)
    assert image.getbbox() == (4, 3, 12, 9)
    assert google.only().document["parameters"]["editMode"] == "EDIT_MODE_INPAINT_INSERTION"


def test_the_fake_refuses_an_inverted_mask(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    almost_all = Image.new("RGBA", (32, 24), (0, 0, 0, 0))
    almost_all.paste((0, 0, 0, 255), (0, 0, 4, 4))
    with pytest.raises(openai.BadRequestError, match="inverted"):
        edit(sdk, IMAGEN, mask=saved(almost_all))


SEMANTIC: dict[str, Any] = {
    "maskMode": "MASK_MODE_SEMANTIC",
    "maskClasses": [162, 170],
    "dilation": 0.01,
    "baseSteps": 35,
    "editMode": "EDIT_MODE_INPAINT_REMOVAL",
}


@pytest.mark.parametrize("form", [True, False])
def test_everything_of_imagen_s_own_arrives(
    sdk: openai.OpenAI, google: VertexUpstream, form: bool
) -> None:
    if form:
        edit(sdk, IMAGEN, extra_body=SEMANTIC)
    else:
        post_json(sdk, IMAGEN, **SEMANTIC)
    mask_reference = references(google)[1]
    assert mask_reference == {
        "referenceType": "REFERENCE_TYPE_MASK",
        "referenceId": 2,
        "maskImageConfig": {
            "maskMode": "MASK_MODE_SEMANTIC",
            "maskClasses": [162, 170],
            "dilation": 0.01,
        },
    }
    assert google.only().document["parameters"] == {
        "sampleCount": 1,
        "editMode": "EDIT_MODE_INPAINT_REMOVAL",
        "editConfig": {"baseSteps": 35},
        "includeRaiReason": True,
    }


def test_zero_is_a_value(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    more = {"maskMode": "MASK_MODE_BACKGROUND", "editMode": "EDIT_MODE_BGSWAP"}
    edit(sdk, IMAGEN, extra_body={**more, "dilation": 0.0, "guidanceScale": 0, "seed": 0})
    assert references(google)[1]["maskImageConfig"]["dilation"] == 0.0
    parameters = google.only().document["parameters"]
    assert (parameters["guidanceScale"], parameters["seed"]) == (0, 0)
    assert parameters["addWatermark"] is False


def test_openai_s_parameters_at_imagen(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    answer = edit(
        sdk,
        IMAGEN,
        n=2,
        quality="high",
        output_format="jpeg",
        output_compression=80,
        extra_body={
            "moderation": "low",
            "labels": {"team": "a-1"},
            "personGeneration": "ALLOW_ADULT",
        },
    )
    assert [decoded(answer, index).format for index in (0, 1)] == ["JPEG", "JPEG"]
    assert (answer.output_format, answer.cost) == ("jpeg", 0.08)
    document = google.only().document
    assert document["labels"] == {"team": "a-1"}
    assert document["parameters"] == {
        "sampleCount": 2,
        "editMode": "EDIT_MODE_DEFAULT",
        "editConfig": {"baseSteps": 75},
        "personGeneration": "allow_adult",
        "safetySetting": "block_only_high",
        "outputOptions": {"mimeType": "image/jpeg", "compressionQuality": 80},
        "includeRaiReason": True,
    }


def test_an_unknown_price_is_no_cost(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    assert edit(sdk, "imagen-3.0-capability-002").cost is None


def test_more_than_four_take_several_calls(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    answer = edit(sdk, IMAGEN, n=6, extra_body={"seed": 40})
    assert len(answer.data) == 6
    assert answer.cost == 0.24
    sent = [request.document["parameters"] for request in google.requests]
    calls = sorted((item["sampleCount"], item["seed"]) for item in sent)
    assert calls == [(2, 44), (4, 40)]


def test_a_webp_is_converted_there_and_back(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    answer = edit(sdk, IMAGEN, image=picture(format="WEBP", lossless=True), output_format="webp")
    assert decoded(answer).format == "WEBP"
    assert references(google)[0]["referenceImage"]["mimeType"] == "image/png"


def test_references_by_number(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    style = {"styleDescription": "ink on paper"}
    numbered = {
        "1": {"referenceType": "REFERENCE_TYPE_RAW"},
        "2": {"referenceType": "REFERENCE_TYPE_STYLE", "styleImageConfig": style},
    }
    edit(sdk, IMAGEN, image=[PNG, JPEG], extra_body={"referenceImages": numbered})
    raw, found = references(google)
    assert raw["referenceId"] == 1
    assert found["referenceImage"]["mimeType"] == "image/jpeg"
    assert (found["referenceId"], found["styleImageConfig"]) == (2, style)


def test_control_and_subject_references_with_a_mask(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    listed: list[dict[str, Any]] = [
        {"referenceType": "REFERENCE_TYPE_RAW", "referenceId": 5},
        {
            "referenceType": "REFERENCE_TYPE_CONTROL",
            "controlImageConfig": {
                "controlType": "CONTROL_TYPE_CANNY",
                "enableControlImageComputation": True,
            },
        },
        {
            "referenceType": "REFERENCE_TYPE_SUBJECT",
            "subjectImageConfig": {"subjectType": "SUBJECT_TYPE_ANIMAL"},
        },
    ]
    post_json(sdk, IMAGEN, images=[PNG, JPEG, JPEG], mask=hole(), referenceImages=listed)
    found = references(google)
    assert [item["referenceId"] for item in found] == [5, 2, 3, 6]
    assert found[1]["controlImageConfig"] == listed[1]["controlImageConfig"]
    assert found[2]["subjectImageConfig"] == {"subjectType": "SUBJECT_TYPE_ANIMAL"}
    assert found[3]["referenceType"] == "REFERENCE_TYPE_MASK"


def test_a_turned_control_picture_goes_upright_with_it(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    kinds = ["REFERENCE_TYPE_RAW", "REFERENCE_TYPE_CONTROL", "REFERENCE_TYPE_STYLE"]
    post_json(
        sdk,
        IMAGEN,
        images=[turned_photograph()] * 3,
        mask=hole(),
        referenceImages=[{"referenceType": kind} for kind in kinds],
    )
    found = [item["referenceImage"]["bytesBase64Encoded"] for item in references(google)]
    sizes = [opened(base64.b64decode(data)).size for data in found]
    assert sizes == [(32, 24), (32, 24), (24, 32), (32, 24)]


def turned_photograph() -> bytes:
    """A JPEG of 32x24 pixels as it is displayed, stored on its side as 24x32."""
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (24, 32), "teal").save(turned, "JPEG", exif=exif)
    return turned.getvalue()


def test_a_turned_photograph_goes_upright_with_its_mask(
    sdk: openai.OpenAI, google: VertexUpstream
) -> None:
    edit(sdk, IMAGEN, image=turned_photograph(), mask=hole())
    sizes = [
        opened(base64.b64decode(item["referenceImage"]["bytesBase64Encoded"])).size
        for item in references(google)
    ]
    assert sizes == [(32, 24), (32, 24)]


def test_imagen_streams_one_event(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    events = list(edit(sdk, IMAGEN, stream=True))
    assert [event.type for event in events] == ["image_edit.completed"]
    assert google.only().path.endswith(":predict")


def test_dropped_parameters_are_named(sdk: openai.OpenAI, google: VertexUpstream) -> None:
    raw = sdk.images.with_raw_response.edit(
        model=f"lenient/{IMAGEN}", image=PNG, prompt="x", size="1024x1024"
    )
    assert raw.headers["x-retouch-dropped"] == "size"
