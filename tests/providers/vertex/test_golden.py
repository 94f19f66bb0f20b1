"""Our requests beside those of Google's own client for the same edits.

What may differ is named in ``canonical``, with the reason; everything else must be equal.
"""

from __future__ import annotations

import asyncio
import base64
import warnings
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from tests.fakes.pictures import picture
from tests.fakes.vertex_upstream import ACCESS_TOKEN, PROJECT, VertexUpstream
from tests.providers.vertex_accounts import hole, serving, with_token

IMAGEN, GEMINI = "imagen-3.0-capability-001", "gemini-3.1-flash-image"
PNG, JPEG = picture(32, 24), picture(32, 24, format="JPEG")
#: Where Google's client and Google's REST pages disagree we follow the pages.
RENAMED = {"computeControl": "enableControlImageComputation"}
#: Google reads these in either case.
WORDS = ("personGeneration", "safetySetting")


@pytest.fixture(scope="module")
def server() -> Iterator[VertexUpstream]:
    with VertexUpstream() as running:
        running.strict = False
        yield running


@pytest.fixture(scope="module")
def ours(
    server: VertexUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[openai.OpenAI]:
    config = with_token(server, more='location = "us-central1"')
    with serving(config, tmp_path_factory.mktemp("vertex-golden")) as (_, sdk):
        yield sdk


@pytest.fixture(scope="module")
def theirs(server: VertexUpstream) -> Iterator[genai.Client]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = genai.Client(
            vertexai=True,
            project=PROJECT,
            location="us-central1",
            credentials=Credentials(ACCESS_TOKEN),  # type: ignore[no-untyped-call]
            http_options=types.HttpOptions(base_url=server.url, api_version="v1"),
        )
        yield client
        client.close()
        asyncio.run(client.aio.aclose())


def image(data: bytes) -> types.Image:
    mime = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return types.Image(image_bytes=data, mime_type=mime)


def canonical(value: Any) -> Any:
    """Proto-JSON takes ``snake_case`` for ``camelCase``; pictures are compared as bytes."""
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, item in value.items():
        head, *rest = name.split("_")
        camel = head + "".join(word.capitalize() for word in rest)
        found[RENAMED.get(camel, camel)] = canonical(item)
        if camel in WORDS:
            found[camel] = item.lower()
        if camel in ("data", "bytesBase64Encoded"):
            found[camel] = base64.b64decode(item.replace("-", "+").replace("_", "/"))
    return found


def compared(server: VertexUpstream) -> tuple[tuple[str, Any], tuple[str, Any]]:
    """Path and body of the two requests that came."""
    first, second = server.requests
    return tuple((sent.path, canonical(sent.document)) for sent in (first, second))  # type: ignore[return-value]


IMAGEN_EDITS: dict[str, tuple[dict[str, Any], list[Any], dict[str, Any]]] = {
    "no mask": (
        {"extra_body": {"editMode": "EDIT_MODE_DEFAULT"}},
        [],
        {"edit_mode": "EDIT_MODE_DEFAULT"},
    ),
    "computed mask": (
        {
            "n": 2,
            "extra_body": {
                "editMode": "EDIT_MODE_INPAINT_REMOVAL",
                "maskMode": "MASK_MODE_SEMANTIC",
                "maskClasses": [162, 170],
                "dilation": 0.01,
                "baseSteps": 35,
                "guidanceScale": 60,
                "seed": 9,
                "negativePrompt": "clouds",
                "language": "en",
                "personGeneration": "ALLOW_ADULT",
                "safetySetting": "BLOCK_ONLY_HIGH",
                "labels": {"team": "a"},
                "outputOptions": {"mimeType": "image/jpeg", "compressionQuality": 70},
            },
        },
        [
            types.MaskReferenceImage(
                reference_id=2,
                config=types.MaskReferenceConfig(
                    mask_mode=types.MaskReferenceMode.MASK_MODE_SEMANTIC,
                    segmentation_classes=[162, 170],
                    mask_dilation=0.01,
                ),
            )
        ],
        {
            "edit_mode": "EDIT_MODE_INPAINT_REMOVAL",
            "number_of_images": 2,
            "base_steps": 35,
            "guidance_scale": 60,
            "seed": 9,
            "add_watermark": False,
            "negative_prompt": "clouds",
            "language": "en",
            "person_generation": "ALLOW_ADULT",
            "safety_filter_level": "BLOCK_ONLY_HIGH",
            "labels": {"team": "a"},
            "output_mime_type": "image/jpeg",
            "output_compression_quality": 70,
        },
    ),
}


def edited(theirs: genai.Client, references: list[Any], config: dict[str, Any]) -> None:
    """The edit with Google's own client; it says itself that the method will go."""
    raw = types.RawReferenceImage(reference_id=1, reference_image=image(PNG))
    settings = {"number_of_images": 1, "include_rai_reason": True, **config}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.models.edit_image(
            model=IMAGEN,
            prompt="A red hat.",
            reference_images=[raw, *references],
            config=types.EditImageConfig(**settings),
        )


@pytest.mark.parametrize("case", IMAGEN_EDITS.values(), ids=IMAGEN_EDITS.keys())
def test_imagen(
    server: VertexUpstream,
    ours: openai.OpenAI,
    theirs: genai.Client,
    case: tuple[dict[str, Any], list[Any], dict[str, Any]],
) -> None:
    server.reset()
    fields, references, config = case
    ours.images.edit(model=f"vx/{IMAGEN}", image=PNG, prompt="A red hat.", **fields)
    edited(theirs, references, config)
    mine, google = compared(server)
    assert mine == google


#: What the three pictures of one edit are, as a form can say it.
REFERENCES = {
    "1": {"referenceType": "REFERENCE_TYPE_RAW"},
    "2": {
        "referenceType": "REFERENCE_TYPE_CONTROL",
        "controlImageConfig": {
            "controlType": "CONTROL_TYPE_CANNY",
            "enableControlImageComputation": "true",
        },
    },
    "3": {
        "referenceType": "REFERENCE_TYPE_SUBJECT",
        "subjectImageConfig": {
            "subjectType": "SUBJECT_TYPE_PRODUCT",
            "subjectDescription": "a hat",
        },
    },
}


def test_imagen_with_a_mask_and_other_references(
    server: VertexUpstream, ours: openai.OpenAI, theirs: genai.Client
) -> None:
    server.reset()
    ours.images.edit(
        model=f"vx/{IMAGEN}",
        image=[PNG, JPEG, PNG],
        mask=hole(),
        prompt="A red hat.",
        extra_body={"referenceImages": REFERENCES},
    )
    sent = server.requests[0].document["instances"][0]["referenceImages"][3]
    white = base64.b64decode(sent["referenceImage"]["bytesBase64Encoded"])
    edited(
        theirs,
        [
            types.ControlReferenceImage(
                reference_id=2,
                reference_image=image(JPEG),
                config=types.ControlReferenceConfig(
                    control_type=types.ControlReferenceType.CONTROL_TYPE_CANNY,
                    enable_control_image_computation=True,
                ),
            ),
            types.SubjectReferenceImage(
                reference_id=3,
                reference_image=image(PNG),
                config=types.SubjectReferenceConfig(
                    subject_type=types.SubjectReferenceType.SUBJECT_TYPE_PRODUCT,
                    subject_description="a hat",
                ),
            ),
            types.MaskReferenceImage(
                reference_id=4,
                reference_image=image(white),
                config=types.MaskReferenceConfig(
                    mask_mode=types.MaskReferenceMode.MASK_MODE_USER_PROVIDED
                ),
            ),
        ],
        {"edit_mode": "EDIT_MODE_INPAINT_INSERTION"},
    )
    mine, google = compared(server)
    assert mine == google


@pytest.mark.parametrize("stream", [False, True])
def test_gemini(
    server: VertexUpstream, ours: openai.OpenAI, theirs: genai.Client, stream: bool
) -> None:
    server.reset()
    answer: Any = ours.images.edit(
        model=f"vx/{GEMINI}",
        image=[PNG, JPEG],
        prompt="A red hat.",
        size="2048x2048",
        stream=stream,
        extra_body={
            "seed": 4,
            "thinkingLevel": "high",
            "personGeneration": "allow_adult",
            "labels": {"team": "a"},
            "safetySettings": {"HARM_CATEGORY_HATE_SPEECH": "BLOCK_ONLY_HIGH"},
        },
    )
    if stream:
        list(answer)
    parts: list[Any] = [
        types.Part.from_bytes(data=PNG, mime_type="image/png"),
        types.Part.from_bytes(data=JPEG, mime_type="image/jpeg"),
        types.Part.from_text(text="A red hat."),
    ]
    arguments: Any = {
        "model": GEMINI,
        "contents": [types.Content(role="user", parts=parts)],
        "config": types.GenerateContentConfig(
            response_modalities=["IMAGE"],
            seed=4,
            labels={"team": "a"},
            thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.HIGH),
            image_config=types.ImageConfig(
                aspect_ratio="1:1", image_size="2K", person_generation="ALLOW_ADULT"
            ),
            safety_settings=[
                types.SafetySetting(
                    category=types.HarmCategory.HARM_CATEGORY_HATE_SPEECH,
                    threshold=types.HarmBlockThreshold.BLOCK_ONLY_HIGH,
                )
            ],
        ),
    }
    if stream:
        list(theirs.models.generate_content_stream(**arguments))
    else:
        theirs.models.generate_content(**arguments)
    mine, google = compared(server)
    assert mine == google
