"""What is refused before a cent is spent, and with which field's name."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

import retouch_vertex
from retouch import GatewayError, InvalidRequest, UnknownModel
from retouch.config import ConfigError
from retouch.testing import samples
from retouch.testing.subject import ACCOUNT, Subject, corner

IMAGEN, GEMINI = "imagen-3.0-capability-001", "gemini-nano-banana-2.1"
TOKEN = {"access_token": "ya29.rules-canary", "base_url": "http://127.0.0.1:9"}
SETTINGS = {"project": "rules", **TOKEN}
RAW = {"referenceType": "REFERENCE_TYPE_RAW"}
STYLE = {"referenceType": "REFERENCE_TYPE_STYLE"}


def subject(model: str, settings: dict[str, Any] | None = None) -> Subject:
    return Subject(retouch_vertex, {ACCOUNT: settings or SETTINGS}, model)


def made(model: str, *, masked: bool = False, images: int = 1, **fields: Any) -> Any:
    """The request of an edit with these fields."""
    found = subject(model)
    mask = samples.mask(64, 64, corner((64, 64))) if masked else None
    pictures = (samples.picture(),) * images
    edit = found.edit({"prompt": "A red hat.", **fields}, pictures, mask)
    return found.request(edit)


#: model, fields, whether there is a mask, number of pictures, the field that is named.
REFUSED: dict[str, tuple[str, dict[str, Any], bool, int, str]] = {
    "option of the other family": (IMAGEN, {"imageSize": "1K"}, False, 1, "imageSize"),
    "and the other way round": (GEMINI, {"editMode": "EDIT_MODE_STYLE"}, False, 1, "editMode"),
    "unknown field": (IMAGEN, {"storageUri": "gs://bucket"}, False, 1, "storageUri"),
    "mask mode that no API has": (IMAGEN, {"maskMode": "MASK_MODE_PROMPT"}, False, 1, "maskMode"),
    "two masks": (IMAGEN, {"maskMode": "MASK_MODE_BACKGROUND"}, True, 1, "maskMode"),
    "mask missing": (IMAGEN, {"maskMode": "MASK_MODE_USER_PROVIDED"}, False, 1, "mask"),
    "classes missing": (IMAGEN, {"maskMode": "MASK_MODE_SEMANTIC"}, False, 1, "maskClasses"),
    "classes without semantics": (IMAGEN, {"maskClasses": [7]}, True, 1, "maskClasses"),
    "six classes": (IMAGEN, {"maskClasses": [1, 2, 3, 4, 5, 6]}, False, 1, "maskClasses"),
    "class 194": (IMAGEN, {"maskClasses": [194]}, False, 1, "maskClasses"),
    "dilation of nothing": (IMAGEN, {"dilation": 0.1}, False, 1, "dilation"),
    "dilation above 1": (IMAGEN, {"dilation": 1.01}, True, 1, "dilation"),
    "removal without a mask": (
        IMAGEN,
        {"editMode": "EDIT_MODE_INPAINT_REMOVAL"},
        False,
        1,
        "editMode",
    ),
    "mask without its use": (IMAGEN, {"editMode": "EDIT_MODE_DEFAULT"}, True, 1, "editMode"),
    "steps": (IMAGEN, {"baseSteps": 76}, False, 1, "baseSteps"),
    "steps twice": (IMAGEN, {"baseSteps": 20, "quality": "low"}, False, 1, "baseSteps"),
    "guidance": (IMAGEN, {"guidanceScale": 501}, False, 1, "guidanceScale"),
    "seed with watermark": (IMAGEN, {"seed": 1, "addWatermark": True}, False, 1, "addWatermark"),
    "seeds that run out": (IMAGEN, {"seed": 2_147_483_643, "n": 6}, False, 1, "seed"),
    "and gemini's": (GEMINI, {"seed": 2_147_483_647, "n": 2}, False, 1, "seed"),
    "ratio with mask": (IMAGEN, {"aspectRatio": "1:1"}, True, 1, "aspectRatio"),
    "ratio": (IMAGEN, {"aspectRatio": "21:9"}, False, 1, "aspectRatio"),
    "persons": (IMAGEN, {"personGeneration": "allow_none"}, False, 1, "personGeneration"),
    "safety": (IMAGEN, {"safetySetting": "block_few"}, False, 1, "safetySetting"),
    "safety twice": (
        IMAGEN,
        {"safetySetting": "block_none", "moderation": "low"},
        False,
        1,
        "safetySetting",
    ),
    "language": (IMAGEN, {"language": "de"}, False, 1, "language"),
    "webp": (IMAGEN, {"outputOptions": {"mimeType": "image/webp"}}, False, 1, "outputOptions"),
    "format twice": (
        IMAGEN,
        {"outputOptions": {"mimeType": "image/png"}, "output_format": "png"},
        False,
        1,
        "outputOptions",
    ),
    "compressed png of google's": (
        IMAGEN,
        {"outputOptions": {"mimeType": "image/png", "compressionQuality": 70}},
        False,
        1,
        "outputOptions",
    ),
    "compressed png": (IMAGEN, {"output_compression": 50}, False, 1, "output_compression"),
    "label in capitals": (IMAGEN, {"labels": {"Team": "a"}}, False, 1, "labels"),
    "65 labels": (GEMINI, {"labels": {f"k{n}": "" for n in range(65)}}, False, 1, "labels"),
    "two raw pictures": (IMAGEN, {"referenceImages": [RAW, RAW]}, False, 2, "referenceImages"),
    "one described of two": (IMAGEN, {"referenceImages": [RAW]}, False, 2, "referenceImages"),
    "odd numbers": (IMAGEN, {"referenceImages": {"2": RAW}}, False, 1, "referenceImages"),
    "mask on a style": (IMAGEN, {"referenceImages": [STYLE]}, True, 1, "referenceImages"),
    "a number twice": (
        IMAGEN,
        {"referenceImages": [{**RAW, "referenceId": 2}, STYLE]},
        False,
        2,
        "referenceImages",
    ),
    "wrong configuration": (
        IMAGEN,
        {"referenceImages": [{**RAW, "styleImageConfig": {}}]},
        False,
        1,
        "referenceImages",
    ),
    "misspelt configuration": (
        IMAGEN,
        {"referenceImages": [{**STYLE, "styleImageConfig": {"description": "x"}}]},
        False,
        1,
        "referenceImages",
    ),
    "five references": (IMAGEN, {"referenceImages": [RAW, *[STYLE] * 3]}, True, 4, "image"),
    "imagen has no sizes": (IMAGEN, {"size": "1024x1024"}, False, 1, "size"),
    "hint without a mask": (GEMINI, {"mask_as_hint": True}, False, 1, "mask_as_hint"),
    "mask": (GEMINI, {}, True, 1, "mask"),
    "mask, said no": (GEMINI, {"mask_as_hint": False}, True, 1, "mask"),
    "14 pictures and a mask": (GEMINI, {"mask_as_hint": True}, True, 14, "image"),
    "mask at an unlisted model": ("gemini-9-image", {}, True, 1, "mask"),
    "unheard-of ratio": (GEMINI, {"size": "1100x1000"}, False, 1, "size"),
    "too large": (GEMINI, {"size": "8192x8192"}, False, 1, "size"),
    "2K of a 1K model": ("gemini-2.5-flash-image", {"size": "2048x2048"}, False, 1, "size"),
    "512 of 2.1": (GEMINI, {"imageSize": "512"}, False, 1, "imageSize"),
    "small k": (GEMINI, {"imageSize": "2k"}, False, 1, "imageSize"),
    "size twice": (GEMINI, {"size": "1024x1024", "imageSize": "1K"}, False, 1, "imageSize"),
    "8:1 of pro": ("gemini-3-pro-image", {"aspectRatio": "8:1"}, False, 1, "aspectRatio"),
    "thinking of pro": ("gemini-3-pro-image", {"thinkingLevel": "high"}, False, 1, "thinkingLevel"),
    "medium of flash": (
        "gemini-3.1-flash-image",
        {"thinkingLevel": "medium"},
        False,
        1,
        "thinkingLevel",
    ),
    "quality": (GEMINI, {"quality": "high"}, False, 1, "quality"),
    "harm": (GEMINI, {"safetySettings": {"HARM_CATEGORY_X": "OFF"}}, False, 1, "safetySettings"),
    "threshold": (
        GEMINI,
        {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "SOME"}]},
        False,
        1,
        "safetySettings",
    ),
    "moderation twice": (
        GEMINI,
        {"safetySettings": {"harassment": "off"}, "moderation": "low"},
        False,
        1,
        "safetySettings",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused(case: tuple[str, dict[str, Any], bool, int, str]) -> None:
    model, fields, masked, images, param = case
    with pytest.raises(InvalidRequest) as caught:
        made(model, masked=masked, images=images, **fields)
    assert caught.value.param == param


SIZES: dict[str, tuple[str, str, dict[str, str]]] = {
    "auto": (GEMINI, "auto", {}),
    "square": (GEMINI, "1024x1024", {"aspectRatio": "1:1", "imageSize": "1K"}),
    "openai wide": (GEMINI, "1536x1024", {"aspectRatio": "3:2", "imageSize": "1K"}),
    "openai tall": (GEMINI, "1024x1536", {"aspectRatio": "2:3", "imageSize": "1K"}),
    "full hd": (GEMINI, "1920x1080", {"aspectRatio": "16:9", "imageSize": "2K"}),
    "wqhd": (GEMINI, "2560x1440", {"aspectRatio": "16:9", "imageSize": "2K"}),
    "4k": (GEMINI, "3840x2160", {"aspectRatio": "16:9", "imageSize": "4K"}),
    "strip": (GEMINI, "4096x512", {"aspectRatio": "8:1", "imageSize": "2K"}),
    "small": ("gemini-3.1-flash-image", "512x512", {"aspectRatio": "1:1", "imageSize": "512"}),
    "1K only": ("gemini-2.5-flash-image", "1152x896", {"aspectRatio": "5:4", "imageSize": "1K"}),
}


@pytest.mark.parametrize("case", SIZES.values(), ids=SIZES.keys())
def test_sizes_in_gemini_s_words(case: tuple[str, str, dict[str, str]]) -> None:
    model, size, expected = case
    edit = subject(model).edit({"prompt": "x", "size": size})
    assert retouch_vertex.gemini.image_config(edit) == expected


@pytest.mark.parametrize(("model", "n"), [(IMAGEN, 1), (GEMINI, 1), (IMAGEN, 4)])
def test_the_last_seeds(model: str, n: int) -> None:
    seed = 2_147_483_648 - n
    assert b'"seed":%d' % seed in b"".join(made(model, seed=seed, n=n).body.chunks())


def test_pictures_of_one_subject_share_a_number() -> None:
    subject = {"referenceType": "REFERENCE_TYPE_SUBJECT", "referenceId": 1}
    body = b"".join(made(IMAGEN, images=2, referenceImages=[subject, subject]).body.chunks())
    assert body.count(b'"referenceId":1') == 2


@pytest.mark.parametrize(("orientation", "fits"), [(1, False), (6, True)])
def test_a_control_picture_has_the_size_of_the_raw_one(orientation: int, fits: bool) -> None:
    control = {"referenceType": "REFERENCE_TYPE_CONTROL"}
    fields = {"prompt": "x", "referenceImages": [RAW, control]}
    turned = photograph(24, 32, orientation)
    found = subject(IMAGEN)
    if fits:
        assert found.edit(fields, (samples.picture(32, 24), turned)).images
        return
    with pytest.raises(InvalidRequest, match="size") as caught:
        found.edit(fields, (samples.picture(32, 24), turned))
    assert caught.value.param == "image"


def photograph(width: int, height: int, orientation: int) -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height), "teal").save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_the_mask_of_a_subject_reference_is_numbered_after_it() -> None:
    body = b"".join(made(IMAGEN, masked=True, referenceImages=[RAW]).body.chunks())
    assert body.count(b'"referenceId":1') == 1
    assert body.count(b'"referenceId":2') == 1


@pytest.mark.parametrize(
    "model",
    ["imagen-3.0/../../x", "gpt-image-2", "gemini-x?alt=sse", "veo-3", "image-3", "gemini"],
)
def test_ids_that_are_no_models(model: str) -> None:
    with pytest.raises(UnknownModel):
        made(model)


def test_imagen_is_not_served_from_global() -> None:
    nowhere = {"project": "rules", "access_token": "ya29.rules-canary"}
    with pytest.raises(UnknownModel, match="global"):
        subject(IMAGEN, nowhere).edit({"prompt": "x"})
    regional = subject(IMAGEN, {**nowhere, "location": "europe-west4"})
    assert regional.request(regional.edit({"prompt": "x"})).url == (
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/rules/locations/europe-west4"
        f"/publishers/google/models/{IMAGEN}:predict"
    )


HOSTS = {
    "global": "https://aiplatform.googleapis.com",
    "us": "https://aiplatform.us.rep.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
    "asia-northeast1": "https://asia-northeast1-aiplatform.googleapis.com",
}


@pytest.mark.parametrize(("location", "host"), HOSTS.items())
def test_hosts(location: str, host: str) -> None:
    settings = {"project": "p-1", "location": location, "access_token": "ya29.rules-canary"}
    found = subject(GEMINI, settings)
    assert found.request(found.edit({"prompt": "x"})).url == (
        f"{host}/v1/projects/p-1/locations/{location}/publishers/google/models/{GEMINI}"
        ":generateContent"
    )


def test_an_account_without_a_project() -> None:
    found = subject(GEMINI, TOKEN)
    with pytest.raises(GatewayError, match="project") as caught:
        found.request(found.edit({"prompt": "x"}))
    assert caught.value.status == 500
    keyed = subject(GEMINI, {"api_key": "AIza-rules-canary"})
    assert keyed.request(keyed.edit({"prompt": "x"})).url == (
        f"https://aiplatform.googleapis.com/v1/publishers/google/models/{GEMINI}:generateContent"
    )


@pytest.mark.parametrize("given", ["api_key", "access_token"])
def test_who_cannot_be_impersonated(given: str) -> None:
    with pytest.raises(ConfigError, match="`impersonate` needs"):
        subject(GEMINI, {"project": "p-1", given: "canary", "impersonate": "a@b.test"})


def test_a_model_of_the_account_s_own_name() -> None:
    named = {"models": {"house": {"id": IMAGEN, "family": "imagen"}}, "location": "us-central1"}
    found = subject("house", {**SETTINGS, **named})
    assert found.request(found.edit({"prompt": "x"})).url.endswith(f"/models/{IMAGEN}:predict")
